"""Makes the report, and an overview of all runs: what came out, by what, at what cost."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline_steps.core.files import write_json
from pipeline_steps.core.lines import write_lines
from pipeline_steps.core.step import Job, run
from pipeline_steps.papers.report.contents import (
    Contents,
    Figure,
    Result,
    Table,
    behind,
)
from pipeline_steps.papers.report.render import render
from pipeline_steps.papers.report.spec import OverviewSpec
from pipeline_steps.papers.report.view import report_view
from pipeline_steps.papers.results import DecidedClaims, read_results

TEMPLATES = ("report/templates/report.html.j2", "report/templates/runs.html.j2")
TITLE = "Adversarial robustness: printed and measured"

COLUMNS = (
    "step",
    "name",
    "metrics",
    "code",
    "machine",
    "device",
    "seconds",
    "peak_memory_mb",
    "peak_gpu_memory_mb",
)

SHOWN = 4

GENERATOR_METRICS = ("bits_per_dimension", "worst_error")


def main(job: Job[OverviewSpec]) -> dict[str, Any]:
    """The report, a line for each card, and the numbers that releases are compared by."""
    pages = ("tables_card", "figures_card", "claims_card")
    starts = [card for name in pages for card in job.inputs.get(name, [])]
    cards = sorted({*job.inputs.get("cards", []), *behind(starts)})
    results = [Result.read(path) for path in cards]
    write_page(job.output("index"), read(job, results), job.spec)
    write_lines(job.output("csv"), COLUMNS, map(line, results))
    timed = [result.seconds for result in results if "seconds" in result.record]
    page = render(
        "runs.html.j2",
        title="What was run",
        scale=f"Scale {job.spec.scale}: {job.spec.scale_title}",
        runs=results,
        timed=len(timed),
        seconds=sum(timed),
        shown=SHOWN,
    )
    job.output("html").write_text(page, encoding="utf-8")
    write_json(job.output("summary"), summary(results))
    return {"runs": len(results)}


def write_page(path: Path, contents: Contents, spec: OverviewSpec) -> None:
    """The report as one file."""
    report = report_view(contents, spec)
    page = render("report.html.j2", title=TITLE, report=report)
    path.write_text(page, encoding="utf-8")


def read(job: Job[OverviewSpec], results: Sequence[Result]) -> Contents:
    """All that the report shows; each file is what its card promises."""
    tables, figures, claims = (
        zip(
            job.all_verified(name, role),
            map(Result.read, job.inputs.get(f"{name}_card", [])),
            strict=True,
        )
        for name, role in (("tables", "json"), ("figures", "png"), ("claims", "json"))
    )
    return Contents(
        scale=job.spec.scale,
        scale_title=job.spec.scale_title,
        tables=[Table(*made) for made in tables],
        figures=[Figure(*made) for made in figures],
        claims=[
            claim
            for path, _ in claims
            for claim in read_results(path, DecidedClaims).claims
        ],
        results={result.path: result for result in results},
    )


def line(result: Result) -> dict[str, Any]:
    """A result as people read it: its card and, if there is one, the record of its run."""
    return {
        "step": result.card.step,
        "name": result.name,
        "metrics": ", ".join(result.numbers),
        "code": result.code,
        **{name: result.record.get(name, "") for name in COLUMNS[4:]},
    }


def summary(results: Sequence[Result]) -> dict[str, Any]:
    """The numbers that releases are compared by, nested as their names are."""
    accuracies: dict[str, Any] = {}
    generators: dict[str, Any] = {}
    for result in sorted(results, key=lambda result: result.path):
        metrics = result.card.metrics
        match result.name.split("/"):
            case ["verdicts", dataset, defense, threat]:
                of_dataset = accuracies.setdefault(dataset, {})
                of_dataset.setdefault(defense, {})[threat] = metrics["accuracy"]
            case ["generators", dataset, generator]:
                shown = {k: metrics[k] for k in GENERATOR_METRICS if k in metrics}
                generators.setdefault(dataset, {})[generator] = shown
    return {"accuracy": accuracies, "generators": generators}


if __name__ == "__main__":
    run("papers.make_report", OverviewSpec, main)
