"""Makes the report, and an overview of all runs: what came out, by what, at what cost."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline_steps.core.card import read_card
from pipeline_steps.core.files import read_json, write_json
from pipeline_steps.core.lines import write_lines
from pipeline_steps.core.step import Job, run
from pipeline_steps.papers.decided import read_claims
from pipeline_steps.papers.report.contents import (
    Contents,
    Figure,
    Result,
    Table,
    behind,
    name_of,
)
from pipeline_steps.papers.report.document import document
from pipeline_steps.papers.report.parts import duration
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
    whole = document(read(job, cards), job.spec.papers)
    job.output("index").write_text(whole, encoding="utf-8")
    lines = [line(path) for path in cards]
    write_lines(job.output("csv"), COLUMNS, lines)
    job.output("html").write_text(as_page(job.spec, lines), encoding="utf-8")
    write_json(job.output("summary"), summary(cards))
    return {"runs": len(lines)}


def read(job: Job[OverviewSpec], cards: Sequence[Path]) -> Contents:
    """All that the report shows; each file is what its card promises."""
    tables, figures, claims = (
        zip(
            job.all_verified(name, role),
            map(Result.read, job.inputs.get(f"{name}_card", [])),
            strict=True,
        )
        for name, role in (("tables", "csv"), ("figures", "png"), ("claims", "csv"))
    )
    return Contents(
        scale=job.spec.scale,
        scale_title=job.spec.scale_title,
        tables=[Table(*one) for one in tables],
        figures=[Figure(*one) for one in figures],
        claims=[claim for path, _ in claims for claim in read_claims(path)],
        results={path: Result.read(path) for path in cards},
    )


def line(path: Path) -> dict[str, Any]:
    """A card and, if it lies beside it, the record of the run that made it."""
    card = read_card(path)
    beside = path.with_suffix(".record.json")
    record = read_json(beside) if beside.is_file() else {}
    numbers = {k: v for k, v in card.metrics.items() if isinstance(v, int | float)}
    return {
        "step": card.step,
        "name": name_of(path),
        "metrics": ", ".join(f"{k} {number(v)}" for k, v in numbers.items()),
        "code": str(card.code.get("digest", ""))[:12],
        **{name: record.get(name, "") for name in COLUMNS[4:]},
    }


def summary(cards: Sequence[Path]) -> dict[str, Any]:
    """The numbers that releases are compared by, nested as their names are."""
    found: dict[str, Any] = {"accuracy": {}, "generators": {}}
    for path in sorted(cards):
        match name_of(path).split("/"):
            case ["verdicts", dataset, defense, threat]:
                own = found["accuracy"].setdefault(dataset, {}).setdefault(defense, {})
                own[threat] = read_card(path).metrics["accuracy"]
            case ["generators", dataset, generator]:
                metrics = read_card(path).metrics
                told = {k: metrics[k] for k in GENERATOR_METRICS if k in metrics}
                found["generators"].setdefault(dataset, {})[generator] = told
    return found


def number(value: float) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def as_page(spec: OverviewSpec, lines: Sequence[dict[str, Any]]) -> str:
    """All runs as a page."""
    timed = [float(one["seconds"]) for one in lines if one["seconds"] != ""]
    said = (
        f"{len(lines)} results; {len(timed)} of them have a record, and took "
        f"{duration(sum(timed))} of computing in all. A card is the same whenever the "
        "job is repeated; machine, time and memory are those of the run that made it."
    )
    head = ("Step", "Result", "Numbers", "Code", "Device", "Time", "Memory (MB)")
    return page(
        "What was run",
        f"Scale {spec.scale}: {spec.scale_title}",
        f'<p class="notes">{escape(said)}</p>\n{html_table(head, map(_row, lines))}',
    )


def _row(one: dict[str, Any]) -> list[str]:
    numbers = one["metrics"].split(", ")
    more = [f"and {len(numbers) - SHOWN} more"] if len(numbers) > SHOWN else []
    device = " on ".join(str(one[k]) for k in ("device", "machine") if one[k])
    memory = str(one["peak_memory_mb"])
    if one["peak_gpu_memory_mb"]:
        memory += f", GPU {one['peak_gpu_memory_mb']}"
    time = duration(float(one["seconds"])) if one["seconds"] != "" else ""
    return [
        escape(one["step"]),
        escape(one["name"]),
        "<br>".join(escape(n) for n in [*numbers[:SHOWN], *more]),
        f"<code>{escape(one['code'])}</code>",
        escape(device),
        f'<td class="number">{time}</td>',
        f'<td class="number">{memory}</td>',
    ]


if __name__ == "__main__":
    run("papers.make_report", OverviewSpec, main)
