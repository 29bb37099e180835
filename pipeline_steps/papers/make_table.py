"""Makes a published table with what was measured, in four forms."""

import os
from typing import Any

from pipeline_steps.core.card import read_card
from pipeline_steps.core.step import Job, run
from pipeline_steps.papers.forms.latex import as_latex
from pipeline_steps.papers.forms.page import as_page
from pipeline_steps.papers.forms.picture import draw
from pipeline_steps.papers.forms.tidy import write_table
from pipeline_steps.papers.results import JudgedRun, MeasuredTable, write_results
from pipeline_steps.papers.spec import TableSpec
from pipeline_steps.papers.statistics import Key, read_outcomes
from pipeline_steps.papers.tables import Judged, cells
from pipeline_steps.papers.wording import Footnotes


def main(job: Job[TableSpec]) -> dict[str, Any]:
    """All cells, in all forms."""
    spec = job.spec
    rows = cells(spec, judged(job))
    table = MeasuredTable(spec=spec, cells=rows)
    write_results(job.output("json"), table)
    write_table(table, job.output("csv"))
    notes = Footnotes()
    job.output("html").write_text(as_page(spec, rows, notes), encoding="utf-8")
    draw(spec, rows, notes, job.output("png"))
    # Last, for it has footnotes of its own.
    job.output("tex").write_text(as_latex(spec, rows, notes), encoding="utf-8")
    flat = [cell for row in rows for cell in row]
    return {
        "cells": len(flat),
        "measured": sum(cell.measured is not None for cell in flat),
        "red_flags": sum(len(cell.flags) for cell in flat),
    }


def judged(job: Job[TableSpec]) -> Judged:
    """The verdicts behind the table, with their cards as they lie from it."""
    files = job.all_verified("verdicts", "verdicts")
    folder = job.places["csv"].parent
    metrics: dict[Key, list[dict[str, Any]]] = {}
    threats: dict[Key, dict[str, Any]] = {}
    runs: dict[Key, list[JudgedRun]] = {}
    paths = zip(job.spec.runs, files, job.inputs["verdicts_card"], strict=True)
    for plain_run, file, path in paths:
        card = read_card(path)
        metrics.setdefault(plain_run.key, []).append(card.metrics)
        threats[plain_run.key] = card.spec.get("threat", {})
        judged_run = JudgedRun(
            **dict(plain_run),
            file=os.path.relpath(file, folder),
            card=os.path.relpath(path, folder),
        )
        runs.setdefault(judged_run.key, []).append(judged_run)
    return Judged(read_outcomes(job.spec.runs, files), metrics, runs, threats)


if __name__ == "__main__":
    run("papers.make_table", TableSpec, main)
