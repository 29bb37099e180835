"""Makes a published table with what was measured, in four forms."""

import os
from typing import Any

from pipeline_steps.core.card import read_card
from pipeline_steps.core.lines import write_lines
from pipeline_steps.core.step import Job, run
from pipeline_steps.papers.footnotes import Footnotes
from pipeline_steps.papers.forms.latex import as_latex
from pipeline_steps.papers.forms.page import as_page
from pipeline_steps.papers.forms.picture import draw
from pipeline_steps.papers.forms.tidy import COLUMNS, tidy
from pipeline_steps.papers.spec import TableSpec
from pipeline_steps.papers.statistics import Key, read_outcomes
from pipeline_steps.papers.tables import Found, Verdicts, cells


def main(job: Job[TableSpec]) -> dict[str, Any]:
    """All cells, in all forms."""
    spec = job.spec
    rows = cells(spec, found(job))
    write_lines(job.output("csv"), COLUMNS, tidy(spec, rows))
    notes = Footnotes()
    job.output("html").write_text(as_page(spec, rows, notes), encoding="utf-8")
    draw(spec, rows, notes, job.output("png"))
    # Last, for it has footnotes of its own.
    job.output("tex").write_text(as_latex(spec, rows, notes), encoding="utf-8")
    flat = [cell for row in rows for cell in row]
    return {
        "cells": len(flat),
        "measured": sum(cell.measured is not None for cell in flat),
        "red_flags": sum(len(cell.red_flags) for cell in flat),
    }


def found(job: Job[TableSpec]) -> Found:
    """The verdicts behind the table, with their cards as they lie from it."""
    files = job.all_verified("verdicts", "verdicts")
    folder = job.places["csv"].parent
    metrics: dict[Key, list[dict[str, Any]]] = {}
    threats: dict[Key, dict[str, Any]] = {}
    places: dict[Key, list[Verdicts]] = {}
    cards = job.inputs["verdicts_card"]
    for one, file, card in zip(job.spec.runs, files, cards, strict=True):
        told = read_card(card)
        metrics.setdefault(one.key, []).append(told.metrics)
        threats[one.key] = told.spec.get("threat", {})
        place = Verdicts(os.path.relpath(file, folder), os.path.relpath(card, folder))
        places.setdefault(one.key, []).append(place)
    return Found(read_outcomes(job.spec.runs, files), metrics, places, threats)


if __name__ == "__main__":
    run("papers.make_table", TableSpec, main)
