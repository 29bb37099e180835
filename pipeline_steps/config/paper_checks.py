"""Checks within a paper's file, and between it and the other files."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from pipeline_steps.config.papers import (
    Calibration,
    PanelConfig,
    Paper,
    Table,
    candidates,
)
from pipeline_steps.config.schema import Config
from pipeline_steps.core.registry import constant, did_you_mean, words
from pipeline_steps.core.settings import KeyPath
from pipeline_steps.papers.claim import Claim, Comparison, Quantity, Side
from pipeline_steps.papers.panels import KINDS
from pipeline_steps.papers.spec import Column, Panel, Row


class PaperComplaint(NamedTuple):
    """What is wrong in a paper's file."""

    paper: str
    key: KeyPath
    whose: str
    """What it is wrong with, as the paper calls it: `tables.table1, row 'AT'`."""
    text: str


# Where a column or a claim names more threats than one.
SEVERAL = ("worst_of", "mean_of", "under", "along")


def paper_complaints(config: Config) -> Iterator[PaperComplaint]:
    """What is wrong with the papers' files, in order."""
    for paper, content in config.papers.items():
        for key_path, name, item in _parts(content):
            for complaint in (*_unknown(item, config), *_misfits(item, config)):
                yield PaperComplaint(paper, key_path, name, complaint)
        frozen = {calibration.frozen for calibration in content.calibrations.values()}
        names = [claim.name for claim in content.claims]
        for i, name in enumerate(names):
            if name in names[:i]:
                whose = f"claims, '{name}'"
                yield PaperComplaint(paper, ("claims", i), whose, "it is given twice")
        for name, table in content.tables.items():
            for inside, whose, complaint in (
                *_table(table),
                *_unfrozen(table, frozen),
            ):
                yield PaperComplaint(
                    paper,
                    ("tables", name, *inside),
                    f"tables.{name}, {whose}",
                    complaint,
                )
        for name, i, panel in _made(config, paper):
            kept = _keeps(panel.defense, config) if panel.what == "curve" else ()
            for complaint in kept:
                key_path = ("figures", name, "panels", i)
                whose = f"figures.{name}, '{panel.label}'"
                yield PaperComplaint(paper, key_path, whose, complaint)


def _made(config: Config, paper: str) -> Iterator[tuple[str, int, Panel]]:
    """The panels of figures that the scale makes unless others are named."""
    chosen = config.scale.pages
    for name, figure in config.papers[paper].figures.items():
        if not chosen or name in chosen.get(paper, {}):
            yield from ((name, i, panel) for i, panel in enumerate(figure.panels))


def _parts(paper: Paper) -> Iterator[tuple[KeyPath, str, Any]]:
    """Everything that is checked, with its place and name."""
    for name, table in paper.tables.items():
        key_path: KeyPath = ("tables", name)
        yield key_path, f"tables.{name}", table
        for kind, items in _halves(table):
            for i, item in enumerate(items):
                said = f"tables.{name}, {kind} '{item.label}'"
                yield (*key_path, f"{kind}s", i), said, item
    for name, figure in paper.figures.items():
        yield ("figures", name), f"figures.{name}", figure
        for i, panel in enumerate(figure.panels):
            key_path, said = (
                ("figures", name, "panels", i),
                f"figures.{name}, '{panel.label}'",
            )
            yield key_path, said, panel
            yield key_path, said, (figure.figure["figure"], panel.what)
    for name, calibration in paper.calibrations.items():
        yield ("calibrations", name), f"calibrations.{name}", calibration
    for i, claim in enumerate(paper.claims):
        yield ("claims", i), f"claims, '{claim.name}'", claim
        for k, comparison in enumerate(claim.holds):
            within = ("claims", i, "holds", k)
            parts: list[Any] = [comparison, *comparison.quantities]
            yield from ((within, f"claims, '{claim.name}'", part) for part in parts)


def _halves(table: Table) -> Iterator[tuple[str, Sequence[Column | Row]]]:
    yield "column", table.columns
    yield "row", table.rows


def _unknown(item: Any, config: Config) -> Iterator[str]:
    """Names that no other file has."""
    named = {
        "dataset": [getattr(item, key, None) for key in ("dataset", "trained_on")],
        "defense": [getattr(item, "defense", None), *getattr(item, "each_of", ())],
        "threat": [
            getattr(item, "threat", None),
            *(name for key in SEVERAL for name in getattr(item, key, ())),
        ],
        "generator": [getattr(item, "manifold", None)],
        "corruption": getattr(item, "corruptions", ()),
    }
    known: dict[str, Collection[str]] = {
        "dataset": config.datasets,
        "defense": config.judged,
        "threat": config.threats,
        "generator": config.generators,
        "corruption": words("corruption"),
    }
    for kind, names in named.items():
        for name in names:
            if name is not None and name not in known[kind]:
                near = did_you_mean(name, known[kind])
                yield f"there is no {kind} '{name}'{near}"


def _misfits(item: Any, config: Config) -> Iterator[str]:
    match item:
        case Column():
            yield from _one_source([item.threat, item.worst_of, item.not_run])
            if item.corruptions and item.worst_of:
                yield "a mean over corruptions is taken under one threat"
        case Row():
            yield from _one_source([item.defense, item.difference, item.not_run])
        case Calibration():
            yield from _calibration(item, config)
        case PanelConfig():
            yield from _panel(item)
        case (figure, what):
            shows = constant("figure", figure, "shows")
            if what not in shows.split():
                yield f"the figure '{figure}' shows '{shows}', and this is '{what}'"
        case Claim() if bool(item.holds) == bool(item.not_run):
            yield (
                "say either what must hold, or under `not_run` why it can't be decided"
            )
        case Comparison():
            yield from _comparison(item, config)


def _calibration(item: Calibration, config: Config) -> Iterator[str]:
    families = [name for name, threat in config.threats.items() if threat.family]
    known = {"family": families, "defense": config.judged}
    named = {"family": item.families, "defense": item.targets}
    wrong = [(kind, n) for kind in known for n in named[kind] if n not in known[kind]]
    for kind, name in wrong:
        yield f"there is no {kind} '{name}'{did_you_mean(name, known[kind])}"
    for number in item.targets.values():
        if not 0 <= number <= 100:
            yield f"{number:g} is not a percentage"
    among = (
        []
        if wrong
        else [candidate.threat for candidate in candidates(item, config.threats)]
    )
    if among and item.frozen not in among:
        near = did_you_mean(item.frozen, among)
        yield f"'{item.frozen}' is frozen, and no setting to choose from{near}"


def _one_source(sources: Sequence[Any]) -> Iterator[str]:
    if sum(map(bool, sources)) != 1:
        yield "say either what is measured, or under `not_run` why nothing is"


def _table(table: Table) -> Iterator[tuple[KeyPath, str, str]]:
    """What doesn't fit within a table: its place there, its name, and what is wrong."""
    names = {row.name for row in table.rows if not row.difference}
    averaged = [table.average] if table.average else []
    heads = [*(column.label for column in table.columns), *averaged]
    for kind, parts in _halves(table):
        labels = [part.label for part in parts]
        for i, label in enumerate(labels):
            if label in labels[:i]:
                yield (f"{kind}s", i), f"{kind} '{label}'", "it is given twice"
    for i, row in enumerate(table.rows):
        whose = f"row '{row.label}'"
        for complaint in _row(row, len(table.columns), names):
            yield ("rows", i), whose, complaint
        for name in set(row.lost).difference(heads):
            near = did_you_mean(name, heads)
            yield ("rows", i), whose, f"there is no column '{name}'{near}"


def _unfrozen(
    table: Table, frozen: Collection[str]
) -> Iterator[tuple[KeyPath, str, str]]:
    """Columns whose setting should have been chosen by a calibration of their paper."""
    for i, column in enumerate(table.columns if frozen else ()):
        if column.calibrated and not {*column.threats} <= {*frozen}:
            complaint = "it is marked as calibrated, and no calibration has frozen it"
            yield ("columns", i), f"column '{column.label}'", complaint


def _row(row: Row, columns: int, names: Collection[str]) -> Iterator[str]:
    if len(row.published) != columns:
        yield f"{len(row.published)} published numbers for {columns} columns"
    for number in (*row.published, row.published_average):
        low = -100 if row.difference else 0
        if number is not None and not low <= number <= 100:
            yield f"{number:g} is not a percentage"
    for name in row.difference:
        if name not in names:
            yield f"there is no row '{name}'{did_you_mean(name, names)}"
    if len(row.difference) == 1:
        yield "a difference is one of two rows"


def _panel(panel: PanelConfig) -> Iterator[str]:
    on_manifold = KINDS[panel.what].on_manifold
    named = {
        "manifold": panel.manifold,
        "defense": panel.defense,
        "threat": panel.threat or panel.along,
    }
    for key in ("manifold",) if on_manifold else ("defense", "threat"):
        if not named[key]:
            yield f"a panel that shows a {panel.what} names its {key}"
    if panel.along and (panel.threat or panel.at is not None):
        yield "a panel names one `threat`, or several under `along`"


def _keeps(name: str | None, config: Config) -> Iterator[str]:
    defense = config.defenses.defenses.get(name or "")
    if defense and not defense.snapshots:
        yield (
            f"the defense '{name}' keeps no weights on the way; set its "
            "`snapshots` above 0"
        )


def _comparison(comparison: Comparison, config: Config) -> Iterator[str]:
    if comparison.relation == "within" and comparison.right.number is None:
        yield "the right side of `within` must be a number"
    for side in (comparison.left, comparison.right):
        if side.defense and side.each_of:
            yield "a side has one `defense`, or several under `each_of`"
    whole = comparison.each()[0]
    for quantity in whole.quantities:
        yield from _quantity(quantity)
        if quantity.epoch:
            yield from _keeps(quantity.defense, config)


def _quantity(quantity: Quantity) -> Iterator[str]:
    threats = [quantity.threat, quantity.worst_of, quantity.mean_of]
    number = quantity.number if isinstance(quantity, Side) else None
    kinds: dict[str, list[Any]] = {
        "accuracy": [quantity.defense, *threats],
        "error": [quantity.manifold, quantity.metric],
        "number": [number is not None],
    }
    stated = [kind for kind, parts in kinds.items() if any(parts)]
    complete = {
        "accuracy": quantity.defense and sum(map(bool, threats)) == 1,
        "error": quantity.manifold and quantity.metric,
        "number": True,
    }
    if len(stated) != 1 or not complete[stated[0]]:
        yield "a side is a defense under a threat, a metric of a manifold, or a number"
    if (quantity.epoch or quantity.size) and (
        quantity.threat is None or (quantity.epoch and quantity.size)
    ):
        yield "`epoch` and `size` go with one threat, and not with each other"
    if quantity.corruptions and (
        quantity.threat is None or quantity.epoch or quantity.size
    ):
        yield "a mean over corruptions is taken under one threat, of an accuracy"
    if quantity.trained_on and (quantity.defense is None or quantity.epoch):
        yield "`trained_on` tells where a defense's last weights are from"
