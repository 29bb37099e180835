"""The file own.yaml: what users bring, put in among what the papers have."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from pipeline_steps.config.datasets import Dataset
from pipeline_steps.config.papers import Paper, Table
from pipeline_steps.config.yaml_files import Complaint, Place, config_file
from pipeline_steps.core.registry import did_you_mean, factory_files
from pipeline_steps.core.settings import (
    FACTORY,
    InferenceEntry,
    KeyPath,
    Settings,
    Word,
)
from pipeline_steps.papers.spec import Column, Row

OWN_FILE = config_file("own")
NOT_PRINTED = "Not from the paper."


class OwnModel(Settings):
    """A model that was trained elsewhere: the function that creates it, and its
    weights."""

    title: str
    """What it is, in words."""
    factory: str = Field(pattern=FACTORY)
    """The function that creates it: `FILE.py:NAME`, or `MODULE:NAME` of an installed
    module."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Arguments of the function."""
    weights: str
    """The file of its weights: safetensors, or a state dict saved by torch."""
    inference: InferenceEntry | None = None
    """What it does to images before it answers. If that needs a second network, such as
    ATLD's discriminator, it is the model's `companion`."""


class OwnRow(Settings):
    """A row of a table that is not from its paper."""

    name: str
    """Its name in the table."""
    defense: str
    """The defense or the model of yours whose numbers it shows."""


class OwnTable(Settings):
    """A table of your own."""

    title: str
    """What it shows."""
    dataset: Word
    """The data set on which everything is measured."""
    average: str | None = None
    """The name of a column of row means, if there should be one."""
    columns: list[Column]
    """Its columns, from left to right."""
    rows: list[OwnRow]
    """Its rows, from the top."""


class Own(Settings):
    """Your own models and data sets, and the tables that show them."""

    plugins: list[str] = Field(default_factory=list)
    """Plugins that this config needs. If one is not installed, the error says so."""
    datasets: dict[Word, Dataset] = Field(default_factory=dict)
    """As in datasets.yaml."""
    models: dict[Word, OwnModel] = Field(default_factory=dict)
    """Models by the names used in tables and paths."""
    rows: dict[Word, dict[Word, list[OwnRow]]] = Field(default_factory=dict)
    """By paper and table: rows below the paper's own."""
    tables: dict[Word, OwnTable] = Field(default_factory=dict)
    """Tables by the names of their files; `snakemake own` makes them."""


def clashes(
    own: Own, datasets: Mapping[str, Dataset], papers: Mapping[str, Paper]
) -> Iterator[Complaint]:
    """What can't be put in among what the papers have."""
    for name in datasets.keys() & own.datasets.keys():
        text = "datasets.yaml has one of its name"
        yield Complaint(Place("own", ("datasets", name)), text)
    for paper, tables in own.rows.items():
        place = Place("own", ("rows", paper))
        if paper not in papers:
            text = f"there is no paper '{paper}'{did_you_mean(paper, papers)}"
            yield Complaint(place, text)
            continue
        known = papers[paper].tables
        for table in tables.keys() - known.keys():
            text = f"there is no table '{table}'{did_you_mean(table, known)}"
            yield Complaint(place.at(table), text)


def with_datasets(datasets: Mapping[str, Dataset], own: Own) -> dict[str, Dataset]:
    return {**datasets, **own.datasets}


def with_rows(papers: Mapping[str, Paper], own: Own) -> dict[str, Paper]:
    """The papers with own rows below theirs, and own tables as a paper of its own."""
    every = dict(papers)
    for paper, tables in own.rows.items():
        for table, rows in tables.items():
            known = every[paper].tables
            old = known[table]
            more = [*old.rows, *_rows(rows, len(old.columns), NOT_PRINTED)]
            wider = old.model_copy(update={"rows": more})
            every[paper] = every[paper].model_copy(
                update={"tables": {**known, table: wider}}
            )
    if own.tables:
        tables_of_own = {
            name: Table(
                **table.model_dump(exclude={"rows"}),
                rows=list(_rows(table.rows, len(table.columns))),
            )
            for name, table in own.tables.items()
        }
        every["own"] = Paper(
            title="Tables of your own", authors="you", tables=tables_of_own
        )
    return every


def place_in_paper(
    paper: str, key: KeyPath, own: Own, papers: Mapping[str, Paper]
) -> Place:
    """Where a part of a paper is written: a row below a paper's own is the user's."""
    if paper == "own":
        return Place("own", key)
    match key:
        case ("tables", str(table), "rows", int(i), *_):
            printed = len(papers[paper].tables[table].rows)
            if i >= printed:
                return Place("own", ("rows", paper, table, i - printed))
    return Place(f"papers/{paper}", key)


def _rows(
    rows: Iterable[OwnRow], columns: int, note: str | None = None
) -> Iterator[Row]:
    for row in rows:
        yield Row(**row.model_dump(), published=[None] * columns, note=note)


def complaints(own: Own, trained: Iterable[str]) -> Iterator[Complaint]:
    """What is wrong with the models, before any job is planned."""
    models = Place("own", ("models",))
    for name in set(trained) & own.models.keys():
        yield Complaint(
            models.at(name), "defenses.yaml already has a defense of this name"
        )
    for name, model in own.models.items():
        if not Path(model.weights).is_file():
            text = f"there is no file {model.weights}"
            yield Complaint(models.at(name, "weights"), text)
        if not factory_files(model.factory):
            where = model.factory.rpartition(":")[0]
            yield Complaint(
                models.at(name, "factory"),
                f"{where} is neither a file in the project's folder nor an installed module",
            )
