"""What the config of a scale knows by name, and what each of it is."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from pipeline_steps.config.load import scale_titles
from pipeline_steps.config.schema import Config
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import did_you_mean

KINDS = (
    "papers",
    "tables",
    "figures",
    "calibrations",
    "defenses",
    "threats",
    "datasets",
    "generators",
    "scales",
)


@dataclass(frozen=True)
class Listed:
    """A thing with a name that commands, Snakemake and Python calls take."""

    kind: str
    name: str
    title: str
    paper: str = ""
    """Whose table, figure or calibration it is."""


def listed(config: Config, what: str | None = None) -> list[Listed]:
    """All that there is, or what is of one kind or of one paper."""
    every = list(_every(config))
    if what is None:
        return every
    if what not in (*KINDS, *config.papers):
        near = did_you_mean(what, [*KINDS, *config.papers])
        raise PipelineError(f"'{what}' is neither a kind of thing nor a paper{near}")
    return [
        thing
        for thing in every
        if what in (thing.kind, thing.paper)
        or (thing.kind, thing.name) == ("papers", what)
    ]


def _every(config: Config) -> Iterator[Listed]:
    """Kind by kind; pages by the names of their targets."""
    yield from _entries("papers", config.papers)
    for kind in ("tables", "figures", "calibrations"):
        for paper, content in config.papers.items():
            pages: Mapping[str, Any] = getattr(content, kind)
            for name, page in pages.items():
                yield Listed(kind, f"{paper}_{name}", page.title, paper)
    yield from _entries("defenses", {**config.defenses.defenses, **config.own.models})
    yield from _entries("threats", config.threats)
    yield from _entries("datasets", config.datasets)
    yield from _entries("generators", config.generators)
    for name, title in scale_titles().items():
        yield Listed("scales", name, title)


def _entries(kind: str, named: Mapping[str, Any]) -> Iterator[Listed]:
    for name, entry in named.items():
        yield Listed(kind, name, entry.title)


def show(things: Iterable[Listed]) -> None:
    """Prints a table for each kind on a terminal; else a line each, ready for grep."""
    kinds = [(kind, list(some)) for kind, some in groupby(things, lambda t: t.kind)]
    if sys.stdout.isatty():
        _show_tables(kinds)
        return
    for kind, some in kinds:
        width = max(len(thing.name) for thing in some)
        for thing in some:
            print(f"{kind}  {thing.name:<{width}}  {thing.title}")


def _show_tables(kinds: Iterable[tuple[str, list[Listed]]]) -> None:
    # Here, for most commands show no table.
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    for kind, some in kinds:
        table = Table(title=f"{kind} ({len(some)})", title_justify="left", box=None)
        table.add_column("name", style="bold", no_wrap=True)
        table.add_column("title")
        for thing in some:
            table.add_row(escape(thing.name), escape(thing.title))
        console.print(table, "")


def as_json(things: Iterable[Listed]) -> str:
    """The same as one JSON document."""
    return json.dumps(list(map(asdict, things)), indent=2, ensure_ascii=False)
