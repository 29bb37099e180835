"""Makes a published table with what was measured, in four forms."""

import os
from typing import Any

from pipeline_steps.core.card import read_card
from pipeline_steps.core.step import Job, run
from pipeline_steps.papers.forms.picture import draw
from pipeline_steps.papers.forms.tidy import write_table
from pipeline_steps.papers.report.render import render
from pipeline_steps.papers.report.tables import Below, table_view
from pipeline_steps.papers.results import JudgedRun, MeasuredTable, write_results
from pipeline_steps.papers.spec import TableSpec
from pipeline_steps.papers.statistics import Key, read_outcomes
from pipeline_steps.papers.style import scale_line
from pipeline_steps.papers.tables import Judged, cells
from pipeline_steps.papers.wording import Footnotes, caution, title

TEMPLATES = ("report/templates/table.html.j2", "report/templates/table.tex.j2")


def main(job: Job[TableSpec]) -> dict[str, Any]:
    """All cells, in all forms."""
    spec = job.spec
    rows = cells(spec, judged(job))
    table = MeasuredTable(spec=spec, cells=rows)
    write_results(job.output("json"), table)
    write_table(table, job.output("csv"))
    job.output("html").write_text(as_page(table), encoding="utf-8")
    # The picture comes first, for LaTeX has more footnotes than it.
    notes = Footnotes()
    draw(spec, rows, notes, job.output("png"))
    job.output("tex").write_text(as_latex(table, notes), encoding="utf-8")
    flat = [cell for row in rows for cell in row]
    return {
        "cells": len(flat),
        "measured": sum(cell.measured is not None for cell in flat),
        "red_flags": sum(len(cell.flags) for cell in flat),
    }


def as_page(table: MeasuredTable) -> str:
    """The table as a page of its own."""
    spec, view = table.spec, table_view(table.spec, table.cells)
    about = {"title": title(spec), "scale": scale_line(spec), "caution": caution(spec)}
    return render("table.html.j2", table=view, **about)


def as_latex(table: MeasuredTable, notes: Footnotes) -> str:
    """The table as LaTeX sets it, printed and measured side by side."""
    below = Below.together(notes)
    return render("table.tex.j2", table=table_view(table.spec, table.cells, below))


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
