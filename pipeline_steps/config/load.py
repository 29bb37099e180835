"""Reads the config of one scale, and says in one sentence what is wrong with it."""

import types
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from pipeline_steps.config.models import (
    Config,
    Dataset,
    Defenses,
    Generator,
    Paper,
    Scale,
    ThreatConfig,
)
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import ROOT, did_you_mean, words
from pipeline_steps.core.settings import Name, Relative, Word, sentence
from pipeline_steps.papers.spec import Claim, Column, Panel, Row, Side

FOLDER = Path("workflow/config")


@cache
def load_config(scale: str, root: Path = ROOT) -> Config:
    """The config at one scale: read, merged, typed, and with every name known."""
    names = scales(root)
    if scale not in names:
        raise PipelineError(f"there is no scale '{scale}'{did_you_mean(scale, names)}")
    reader = _Reader(root, scale)
    config = Config(
        name=scale,
        scale=reader.scale,
        datasets=reader.read(dict[Word, Dataset], "datasets"),
        generators=reader.read(dict[Word, Generator], "generators"),
        threats=reader.read(dict[Word, ThreatConfig], "threats"),
        defenses=reader.read(Defenses, "defenses"),
        papers={
            path.stem: reader.read(Paper, f"papers/{path.stem}")
            for path in sorted((root / FOLDER / "papers").glob("*.yaml"))
        },
    )
    for place, kind, name in _references(config):
        known = _known(config)[kind]
        if name not in known:
            raise PipelineError(
                f"{place}: there is no {kind} '{name}'{did_you_mean(name, known)}"
            )
    for place, complaint in _misfits(config):
        raise PipelineError(f"{place}: {complaint}")
    return config


def scales(root: Path = ROOT) -> list[str]:
    return sorted(path.stem for path in (root / FOLDER / "scales").glob("*.yaml"))


class _Reader:
    """The files of one scale; the scale's overrides are laid over the others."""

    def __init__(self, root: Path, scale: str) -> None:
        self.root, self.name = root, f"scales/{scale}"
        self.raw = _yaml(root, self.name)
        self.scale: Scale = _checked(Scale, self.raw, _file(self.name))

    def read(self, model: Any, name: str) -> Any:
        content = _yaml(self.root, name)
        alone = _checked(model, content, _file(name))
        overrides = (self.raw.get("overrides") or {}).get(name, {})
        place = f"{_file(self.name)}: overrides.{name}"
        for key, known in _unknown(content, overrides):
            near = did_you_mean(key, known)
            raise PipelineError(f"{place}: there is no '{key}' to override{near}")
        return (
            _checked(model, _merge(content, overrides), place) if overrides else alone
        )


def _file(name: str) -> str:
    return f"{FOLDER / name}.yaml"


class _Yaml(yaml.CSafeLoader):
    """Refuses a key that stands twice: its first value would be lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:
        keys = [key.value for key, _ in node.value]
        for key, _ in node.value:
            if keys.count(key.value) > 1:
                raise yaml.YAMLError(f"the key '{key.value}' stands twice")
        return super().construct_mapping(node, deep)


def _yaml(root: Path, name: str) -> dict[str, Any]:
    path = root / _file(name)
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Yaml)
    except FileNotFoundError:
        raise PipelineError(f"{_file(name)} is missing") from None
    except yaml.YAMLError as error:
        told = str(error).replace("\n", " ")
        raise PipelineError(f"{_file(name)} is not YAML: {told}") from None
    if not isinstance(content, dict):
        raise PipelineError(f"{_file(name)} should hold names with settings")
    return content


def _merge(base: Any, over: Any) -> Any:
    if not isinstance(base, Mapping) or not isinstance(over, Mapping):
        return over
    laid = {
        key: _merge(base[key], over[key]) if key in base else over[key] for key in over
    }
    return {**base, **laid}


def _unknown(base: Any, over: Any) -> Iterator[tuple[str, list[str]]]:
    """Settings that are to lie over some that do not exist, and what does exist."""
    for key, value in over.items():
        if isinstance(value, Mapping):
            if key not in base:
                yield str(key), [str(known) for known in base]
            elif isinstance(base[key], Mapping):
                yield from _unknown(base[key], value)


def _checked(model: Any, content: Any, file: str) -> Any:
    adapter = TypeAdapter(model)
    try:
        return adapter.validate_python(content)
    except ValidationError as error:
        first: dict[str, Any] = dict(error.errors()[0])
        loc = tuple(part for part in first["loc"] if part != "[key]")
        owner = model
        for part in loc[:-1]:
            owner = _inside(owner, part)
        text = sentence(first, owner if _is_model(owner) else None)
        place = ".".join(str(part) for part in loc)
        raise PipelineError(f"{file}: {place}: {text}") from None


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _inside(kind: Any, part: Any) -> Any:
    """The type that stands at one part of a place inside a typed value."""
    if typing.get_origin(kind) is typing.Annotated:
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        kind = next(a for a in typing.get_args(kind) if a is not type(None))
    if _is_model(kind):
        found = kind.model_fields.get(str(part))
        return found.annotation if found else None
    arguments = typing.get_args(kind)
    return arguments[-1] if arguments else None


def _known(config: Config) -> dict[str, set[str]]:
    return {
        "dataset": set(config.datasets),
        "generator": set(config.generators),
        "threat": set(config.threats),
        "defense": set(config.defenses.defenses),
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
    for name, threat in config.threats.items():
        for word in _names(threat.edit):
            yield f"{_file('threats')}: {name}", word.kind, word
    for name, defense in config.defenses.defenses.items():
        place = f"{_file('defenses')}: defenses.{name}"
        yield place, "schedule", defense.schedule
        for word in _names(defense.recipe):
            yield place, word.kind, word
    scale = _file(f"scales/{config.name}")
    for pair in config.scale.stand_ins.datasets.items():
        yield from ((f"{scale}: stand_ins.datasets", "dataset", name) for name in pair)
    for architecture in config.scale.stand_ins.architectures:
        yield f"{scale}: stand_ins.architectures", "architecture", architecture
    for step in set(config.scale.resources) - {"default"}:
        yield f"{scale}: resources", "step", step
    for paper, content in config.papers.items():
        for place, item in _parts_of_paper(content):
            where = f"{_file(f'papers/{paper}')}: {place}"
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
            f"{_file(f'scales/{config.name}')}: resources",
            "the key 'default' is missing",
        )
    for name, dataset in config.datasets.items():
        for budget, amount in dataset.budgets:
            if isinstance(amount, Relative):
                where = f"{_file('datasets')}: {name}.budgets.{budget}"
                yield (
                    where,
                    "a budget is a number or a fraction, no multiple of a budget",
                )
    for paper, content in config.papers.items():
        where = _file(f"papers/{paper}")
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
    if panel.what == "curve" and defense and not defense.snapshots:
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
