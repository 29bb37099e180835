"""What users bring, put in among what the papers have."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pipeline_steps.config.models import Dataset
from pipeline_steps.config.paper_models import Paper, Table
from pipeline_steps.config.schema import Own, OwnRow
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import did_you_mean, factory_files
from pipeline_steps.papers.spec import Row

PLACE = "workflow/config/own.yaml"
NOT_PRINTED = "Not from the paper."


def with_datasets(datasets: Mapping[str, Dataset], own: Own) -> dict[str, Dataset]:
    for name in datasets.keys() & own.datasets.keys():
        raise PipelineError(
            f"{PLACE}: datasets.{name}: datasets.yaml has one of its name"
        )
    return {**datasets, **own.datasets}


def with_rows(papers: Mapping[str, Paper], own: Own) -> dict[str, Paper]:
    """The papers with own rows below theirs, and own tables as a paper of its own."""
    found = dict(papers)
    for paper, tables in own.rows.items():
        for table, rows in tables.items():
            place = f"{PLACE}: rows.{paper}.{table}"
            if paper not in papers:
                raise PipelineError(
                    f"{place}: there is no paper '{paper}'{did_you_mean(paper, papers)}"
                )
            known = found[paper].tables
            if table not in known:
                near = did_you_mean(table, known)
                raise PipelineError(f"{place}: there is no table '{table}'{near}")
            old = known[table]
            more = [*old.rows, *_rows(rows, len(old.columns), NOT_PRINTED)]
            wider = old.model_copy(update={"rows": more})
            found[paper] = found[paper].model_copy(
                update={"tables": {**known, table: wider}}
            )
    if own.tables:
        told = {
            name: Table(
                **table.model_dump(exclude={"rows"}),
                rows=list(_rows(table.rows, len(table.columns))),
            )
            for name, table in own.tables.items()
        }
        found["own"] = Paper(title="Tables of your own", authors="you", tables=told)
    return found


def _rows(
    rows: Iterable[OwnRow], columns: int, note: str | None = None
) -> Iterator[Row]:
    for row in rows:
        yield Row(**row.model_dump(), published=[None] * columns, note=note)


def complaints(own: Own, trained: Iterable[str]) -> Iterator[str]:
    """What is wrong with the models, before any job is planned."""
    for name in set(trained) & own.models.keys():
        yield f"{PLACE}: models.{name}: defenses.yaml has one of its name"
    for name, model in own.models.items():
        place = f"{PLACE}: models.{name}"
        if not Path(model.weights).is_file():
            yield f"{place}.weights: there is no file {model.weights}"
        if not factory_files(model.factory):
            where = model.factory.rpartition(":")[0]
            yield (
                f"{place}.factory: {where} is no file, seen from the project's folder, "
                "and no module that is installed"
            )
