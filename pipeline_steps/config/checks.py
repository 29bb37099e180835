"""What holds between the files of a config: names that exist, and parts that fit."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline_steps.config import own
from pipeline_steps.config.models import Paper
from pipeline_steps.config.pages import BEST
from pipeline_steps.config.whole import Config
from pipeline_steps.core.amounts import Relative
from pipeline_steps.core.registry import ROOT, did_you_mean, words
from pipeline_steps.core.settings import Name
from pipeline_steps.papers.spec import Claim, Column, Panel, Row, Side

FOLDER = Path("workflow/config")


def config_file(name: str) -> str:
    return f"{FOLDER / name}.yaml"


def complaints(config: Config) -> Iterator[str]:
    """What is wrong between the files, a sentence each."""
    yield from own.complaints(config.own, config.defenses.defenses)
    known = _known(config)
    for place, kind, name in _references(config):
        if name not in known[kind]:
            near = did_you_mean(name, known[kind])
            yield f"{place}: there is no {kind} '{name}'{near}"
    for place, complaint in _misfits(config):
        yield f"{place}: {complaint}"


def _known(config: Config) -> dict[str, set[str]]:
    return {
        "dataset": set(config.datasets),
        "generator": set(config.generators),
        "threat": set(config.threats),
        "defense": {
            *config.defenses.defenses,
            *config.own.models,
            *(f"{n}{BEST}" for n, d in config.defenses.defenses.items() if d.monitor),
        },
        "schedule": set(config.defenses.schedules),
        "architecture": set(words("architecture")),
        "step": _steps(),
    }


def _steps() -> set[str]:
    """Every module that a rule can run."""
    modules = (ROOT / "pipeline_steps").glob("*/*.py")
    return {path.stem for path in modules if "__main__" in path.read_text("utf-8")}


def _references(config: Config) -> Iterator[tuple[str, str, str]]:
    """Every name that one file takes from another: where, of what kind, which."""
    for name, dataset in config.datasets.items():
        where = f"{config_file('datasets')}: {name}.corruptions"
        if dataset.corruptions.published:
            yield where, "dataset", dataset.corruptions.published
    for name, threat in config.threats.items():
        for word in _names([threat.edit, threat.objective, threat.attack]):
            # A defense may be one of another seed: `at@1`.
            known = word.partition("@")[0] if word.kind == "defense" else word
            yield f"{config_file('threats')}: {name}", word.kind, known
    for name, defense in config.defenses.defenses.items():
        place = f"{config_file('defenses')}: defenses.{name}"
        yield place, "schedule", defense.schedule
        watched = defense.monitor and defense.monitor.threat
        for word in _names([defense.recipe, watched]):
            yield place, word.kind, word
    scale = config_file(f"scales/{config.name}")
    for pair in config.scale.stand_ins.datasets.items():
        yield from ((f"{scale}: stand_ins.datasets", "dataset", name) for name in pair)
    for architecture in config.scale.stand_ins.architectures:
        yield f"{scale}: stand_ins.architectures", "architecture", architecture
    shards = config.scale.shards
    for kind, wide in (("threat", shards.threats), ("generator", shards.generators)):
        yield from ((f"{scale}: shards.{kind}s", kind, name) for name in wide)
    for step in set(config.scale.resources) - {"default"}:
        yield f"{scale}: resources", "step", step
    for paper, content in config.papers.items():
        for place, item in _parts_of_paper(content):
            where = f"{config_file(f'papers/{paper}')}: {place}"
            for kind in ("dataset", "defense", "threat"):
                named = getattr(item, kind, None)
                if named is not None:
                    yield where, kind, named
            if isinstance(item, Side | Panel) and item.manifold is not None:
                yield where, "generator", item.manifold


def _parts_of_paper(paper: Paper) -> Iterator[tuple[str, Any]]:
    for name, table in paper.tables.items():
        yield f"tables.{name}", table
        yield from ((f"tables.{name}, column '{c.name}'", c) for c in table.columns)
        yield from ((f"tables.{name}, row '{r.name}'", r) for r in table.rows)
    for name, figure in paper.figures.items():
        yield f"figures.{name}", figure
        yield from ((f"figures.{name}, '{p.label}'", p) for p in figure.panels)
    for claim in paper.claims:
        yield f"claims, '{claim.name}'", claim
        for comparison in claim.holds:
            yield f"claims, '{claim.name}'", comparison.left
            yield f"claims, '{claim.name}'", comparison.right


def _names(value: Any) -> Iterator[Name]:
    if isinstance(value, Name):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _names(item)
    elif isinstance(value, list):
        for item in value:
            yield from _names(item)


def _misfits(config: Config) -> Iterator[tuple[str, str]]:
    """What each file holds rightly alone, and wrongly together."""
    if "default" not in config.scale.resources:
        yield (
            f"{config_file(f'scales/{config.name}')}: resources",
            "the key 'default' is missing",
        )
    for name, dataset in config.datasets.items():
        for budget, amount in dataset.budgets:
            if isinstance(amount, Relative):
                where = f"{config_file('datasets')}: {name}.budgets.{budget}"
                yield (
                    where,
                    "a budget is a number or a fraction, no multiple of a budget",
                )
    for name, schedule in config.defenses.schedules.items():
        if bool(schedule.knots) == bool(schedule.learning_rate):
            place = f"{config_file('defenses')}: schedules.{name}"
            yield place, "say either a learning_rate or its knots"
    for name, threat in config.threats.items():
        place = f"{config_file('threats')}: {name}"
        if (threat.edit is None) == (threat.attack is None):
            yield place, "say either an edit with its steps, or an attack"
        if threat.edit is not None and threat.steps is None:
            yield f"{place}.steps", "the key 'steps' is missing"
        if threat.attack is not None:
            for key in sorted(threat.model_fields_set - {"title", "attack"}):
                yield (
                    f"{place}.{key}",
                    "only an edit takes this; see the attack's own settings",
                )
    for paper, content in config.papers.items():
        where = config_file(f"papers/{paper}")
        for name, table in content.tables.items():
            for row in table.rows:
                told, wanted = len(row.published), len(table.columns)
                if told != wanted:
                    place = f"{where}: tables.{name}, row '{row.name}'"
                    yield place, f"{told} published numbers for {wanted} columns"
            parts: list[Column | Row] = [*table.columns, *table.rows]
            for part in parts:
                behind = getattr(part, "threat", None) or getattr(part, "defense", None)
                if (behind is None) == (part.not_run is None):
                    yield (
                        f"{where}: tables.{name}, '{part.name}'",
                        "say either what stands behind it, or under `not_run` why "
                        "nothing does",
                    )
        for name, figure in content.figures.items():
            for panel in figure.panels:
                place = f"{where}: figures.{name}, '{panel.label}'"
                yield from ((place, c) for c in _unfit_panel(panel, config))
        for claim in content.claims:
            yield from ((f"{where}: claims, '{claim.name}'", c) for c in _unfit(claim))


def _unfit_panel(panel: Panel, config: Config) -> Iterator[str]:
    wanted = ("manifold",) if panel.what == "manifold" else ("defense", "threat")
    for key in wanted:
        if getattr(panel, key) is None:
            yield f"a panel that shows a {panel.what} names its {key}"
    defense = config.defenses.defenses.get(panel.defense or "")
    if panel.what == "curve" and not (defense and defense.snapshots):
        yield (
            f"the defense '{panel.defense}' keeps no weights on the way; set its "
            "`snapshots` above 0"
        )


def _unfit(claim: Claim) -> Iterator[str]:
    if bool(claim.holds) == bool(claim.not_run):
        yield "say either what must hold, or under `not_run` why it can't be decided"
    for side in (s for c in claim.holds for s in (c.left, c.right)):
        accuracy = side.defense is not None and side.threat is not None
        error = side.manifold is not None and side.metric is not None
        if [accuracy, error, side.number is not None].count(True) != 1:
            yield (
                "a side is a defense under a threat, a metric of a manifold, or a number"
            )
