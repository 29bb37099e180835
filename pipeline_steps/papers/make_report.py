"""Makes the report, and an overview of all runs: what came out, by what, at what cost."""

from collections.abc import Sequence
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
from pipeline_steps.papers.report.document import document
from pipeline_steps.papers.report.parts import duration
from pipeline_steps.papers.results import DecidedClaims, read_results
from pipeline_steps.papers.spec import OverviewSpec
from pipeline_steps.papers.style import escape, html_table, page

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
    whole = document(read(job, results), job.spec.papers)
    job.output("index").write_text(whole, encoding="utf-8")
    write_lines(job.output("csv"), COLUMNS, map(line, results))
    job.output("html").write_text(as_page(job.spec, results), encoding="utf-8")
    write_json(job.output("summary"), summary(results))
    return {"runs": len(results)}


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
        "metrics": ", ".join(numbers(result)),
        "code": code(result),
        **{name: result.record.get(name, "") for name in COLUMNS[4:]},
    }


def numbers(result: Result) -> list[str]:
    """The numbers on its card, each with its name."""
    metrics = result.card.metrics.items()
    return [f"{k} {number(v)}" for k, v in metrics if isinstance(v, int | float)]


def number(value: float) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def code(result: Result) -> str:
    return str(result.card.code.get("digest", ""))[:12]


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


def as_page(spec: OverviewSpec, results: Sequence[Result]) -> str:
    """All runs as a page."""
    timed = [result.seconds for result in results if "seconds" in result.record]
    text = (
        f"{len(results)} results; {len(timed)} of them have a record, and took "
        f"{duration(sum(timed))} of computing in all. A card is the same whenever the "
        "job is repeated; machine, time and memory are those of the run that made it."
    )
    head = ("Step", "Result", "Numbers", "Code", "Device", "Time", "Memory (MB)")
    return page(
        "What was run",
        f"Scale {spec.scale}: {spec.scale_title}",
        f'<p class="notes">{escape(text)}</p>\n{html_table(head, map(_row, results))}',
    )


def _row(result: Result) -> list[str]:
    record, shown = result.record, numbers(result)
    more = [f"and {len(shown) - SHOWN} more"] if len(shown) > SHOWN else []
    device = " on ".join(str(record[k]) for k in ("device", "machine") if record.get(k))
    memory = str(record.get("peak_memory_mb", ""))
    if gpu := record.get("peak_gpu_memory_mb"):
        memory += f", GPU {gpu}"
    time = duration(result.seconds) if "seconds" in record else ""
    return [
        escape(result.card.step),
        escape(result.name),
        "<br>".join(escape(text) for text in [*shown[:SHOWN], *more]),
        f"<code>{escape(code(result))}</code>",
        escape(device),
        f'<td class="number">{time}</td>',
        f'<td class="number">{memory}</td>',
    ]


if __name__ == "__main__":
    run("papers.make_report", OverviewSpec, main)
