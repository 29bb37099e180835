"""Makes the specs of the papers' pages: what each shows, and from which runs."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from pipeline_steps.config.papers import Table, candidates
from pipeline_steps.config.scales import Part
from pipeline_steps.config.schema import Config
from pipeline_steps.config.threats import members
from pipeline_steps.jobs.entries import Entries
from pipeline_steps.jobs.names import base
from pipeline_steps.papers.names import Names
from pipeline_steps.papers.report.spec import Printed, PrintedPaper
from pipeline_steps.papers.spec import (
    BEST,
    FROM,
    CalibrationSpec,
    Column,
    FigureSpec,
    Row,
    Run,
    TableSpec,
)


class Pages:
    """The specs of tables, figures and calibrations, and of the report of all."""

    def __init__(self, config: Config, entries: Entries) -> None:
        self.config, self.entries = config, entries

    def stand_in(self, dataset: str) -> str:
        """The data set that is used where a paper names this one."""
        return self.config.scale.stand_ins.datasets.get(dataset, dataset)

    def chosen(self, paper: str, named: bool = False) -> list[str]:
        """A paper's tables and figures: those made by default, or all that its name
        asks for."""
        config = self.config.papers[paper]
        chosen = self.config.scale.pages
        all_of_it = not chosen or (named and paper not in chosen)
        return config.pages if all_of_it else [*chosen.get(paper, {})]

    def table(self, paper: str, table: str) -> TableSpec:
        config = self._at_scale(paper, table)
        rows = [row for row in config.rows if row.defense]
        named = [config.dataset, *(n for r in rows for n in (r.dataset, r.trained_on))]
        stand_ins = {name: self.stand_in(name) for name in named if name}
        if any("frost" in column.corruptions for column in config.columns):
            used = self.config.datasets[self.stand_in(config.dataset)]
            stand_ins["frost"] = used.corruptions.frost
        spec = TableSpec(
            paper=paper,
            table=table,
            title=config.title,
            scale=self.config.name,
            scale_title=self.config.scale.title,
            dataset=config.dataset,
            stand_ins={name: used for name, used in stand_ins.items() if used != name},
            average=config.average,
            columns=config.columns,
            rows=config.rows,
            runs=[],
        )
        keys = {
            key: None
            for row in spec.rows
            for place in range(len(spec.columns))
            for key in spec.behind(row, place)
        }
        runs = [run for key in keys for run in self._runs(*key)]
        return spec.model_copy(update={"runs": runs})

    def _at_scale(self, paper: str, table: str) -> Table:
        """A table with what is left out at this scale marked so."""
        config = self.config.papers[paper].tables[table]
        part = self.config.scale.pages.get(paper, {}).get(table, Part())
        why = f"left out at scale {self.config.name}"
        own = self.config.own.models

        def row(printed: Row) -> Row:
            kept = part.defenses is None or printed.defense in (*part.defenses, *own)
            if printed.not_run or kept:
                return printed
            nothing = {"not_run": why, "defense": None, "difference": list[str]()}
            return printed.model_copy(update=nothing)

        def column(printed: Column) -> Column:
            if (
                printed.not_run
                or part.threats is None
                or {*printed.threats} <= {*part.threats}
            ):
                return printed
            nothing: dict[str, Any] = {"worst_of": [], "corruptions": []}
            nothing |= {"not_run": why, "threat": None}
            return printed.model_copy(update=nothing)

        rows, columns = map(row, config.rows), map(column, config.columns)
        return config.model_copy(update={"rows": [*rows], "columns": [*columns]})

    def calibration(self, paper: str, calibration: str) -> CalibrationSpec:
        config = self.config.papers[paper].calibrations[calibration]
        dataset = self.stand_in(config.dataset)
        among = candidates(config, self.config.threats)
        # Dozens of settings on two defenses: more seeds would add little.
        runs = [
            Run(dataset=dataset, defense=defense, threat=candidate.threat, seed=seed)
            for candidate in among
            for defense in config.targets
            for seed in self.seeds(dataset, defense)[: len(self.config.scale.seeds)]
        ]
        return CalibrationSpec(
            paper=paper,
            name=calibration,
            title=config.title,
            scale=self.config.name,
            scale_title=self.config.scale.title,
            dataset=dataset,
            stands_for=config.dataset,
            targets=config.targets,
            candidates=among,
            frozen=config.frozen,
            runs=runs,
        )

    def figure(self, paper: str, figure: str) -> FigureSpec:
        config = self.config.papers[paper].figures[figure]
        part = self.config.scale.pages.get(paper, {}).get(figure, Part())
        dataset = config.dataset and self.stand_in(config.dataset)
        spread = (panel for row in config.panels for panel in row.spread())
        panels = [panel for panel in spread if part.shows(panel)]
        named = {panel.dataset for panel in panels if panel.dataset}
        stand_ins = {name: self.stand_in(name) for name in sorted(named)}
        return FigureSpec(
            paper=paper,
            name=figure,
            title=config.title,
            scale=self.config.name,
            scale_title=self.config.scale.title,
            dataset=dataset,
            stands_for=config.dataset,
            stand_ins={name: used for name, used in stand_ins.items() if used != name},
            figure=self.entries.resolved(config.figure, dataset)
            if dataset
            else config.figure,
            panels=panels,
            threats={
                panel.threat: self.names.threat(panel.threat)
                for panel in panels
                if panel.threat
            },
        )

    def papers(self) -> list[PrintedPaper]:
        """Everything that the papers print, and which parts are made."""
        return [
            PrintedPaper(
                paper=name,
                title=paper.title,
                authors=paper.authors,
                tables=[self._printed(name, table) for table in paper.tables],
                figures=[self._printed(name, figure) for figure in paper.figures],
            )
            for name, paper in self.config.papers.items()
        ]

    @cached_property
    def names(self) -> Names:
        """Names for readers of what papers name; what has none goes by its title.

        Of nothing else, or a defense that no page shows would make the report anew.
        """
        config, shown = self.config, set(_words(self.config.papers))
        families = {
            member.threat
            for name, threat in config.threats.items()
            for member in members(name, threat)
            if member.threat != name
        }
        titled: dict[str, Mapping[str, Any]] = {
            "datasets": config.datasets,
            "generators": config.generators,
            "defenses": {**config.defenses.defenses, **config.own.models},
            "threats": {n: t for n, t in config.threats.items() if n not in families},
        }
        given = config.names.model_dump()
        return Names(
            **{
                kind: {
                    name: given[kind].get(name, entry.title)
                    for name, entry in entries.items()
                    if name in shown or kind in ("datasets", "generators")
                }
                for kind, entries in titled.items()
            }
        )

    def names_in(self, value: Any) -> Names:
        """The names of those defenses and threats alone that settings name."""
        shown = set(_words(value))
        only = {
            kind: {name: title for name, title in known.items() if name in shown}
            for kind, known in self.names
            if kind in ("defenses", "threats")
        }
        return self.names.model_copy(update=only)

    def _printed(self, paper: str, page: str) -> Printed:
        config, made = self.config.papers[paper], page in self.chosen(paper)
        if page in config.figures:
            return Printed(name=page, title=config.figures[page].title, made=made)
        table = config.tables[page]
        only = [
            row.not_run or column.not_run
            for row in table.rows
            for number, column in zip(row.published, table.columns, strict=True)
            if number is not None
        ]
        return Printed(
            name=page,
            title=table.title,
            made=made,
            numbers=len(only),
            published_only=sum(map(bool, only)),
        )

    def label(self, run: Run) -> str:
        """A run's defense as paths name it: `at`, or `at@1` for seed 1.

        `at.best` and `at@1.best` are judged by their best weights.
        """
        name = run.defense.partition(FROM)[0].removesuffix(BEST)
        seed = "" if run.seed == self.config.scale.seeds[0] else f"@{run.seed}"
        return name + seed + run.defense.removeprefix(name)

    def _runs(self, dataset: str, defense: str, threat: str) -> Iterator[Run]:
        for seed in self.seeds(dataset, defense):
            yield Run(dataset=dataset, defense=defense, threat=threat, seed=seed)

    def seeds(self, dataset: str, defense: str) -> list[int]:
        """What a defense is trained from: more seeds, where a claim rests on it."""
        scale = self.config.scale
        claimed = scale.claim_seeds and (base(dataset), defense) in self._claimed
        seeds = scale.claim_seeds if claimed else scale.seeds
        # A model of the user's own was trained once, wherever that was.
        return seeds[:1] if defense in self.config.own.models else seeds

    @cached_property
    def _claimed(self) -> set[tuple[str, str]]:
        """The defenses that claims are about, each with the data set that judges it."""
        stand_ins = self.config.scale.stand_ins.datasets
        return {
            (base(place), defense)
            for paper in self.config.papers.values()
            for claim in paper.claims
            for quantity in claim.quantities
            for place, defense, _ in quantity.behind(
                self.stand_in(claim.dataset), stand_ins
            )
        }


def _words(value: Any) -> Iterator[str]:
    """Every name in pages and claims; of a defense without its seed and its weights."""
    if isinstance(value, str):
        yield value.partition(FROM)[0].removesuffix(BEST).partition("@")[0]
    elif isinstance(value, BaseModel):
        yield from _words(dict(value))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _words(key)
            yield from _words(item)
    elif isinstance(value, list | tuple | set):
        for item in value:
            yield from _words(item)
