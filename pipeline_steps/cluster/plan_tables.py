"""A plan as tables: text for the terminal, CSV files, and a page."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pandas as pd

from pipeline_steps.cluster.cost_plan import GPUS, NO_PAPER, CostPlan
from pipeline_steps.cluster.plan_durations import AT_LEAST, UNKNOWN
from pipeline_steps.papers.report.render import render
from pipeline_steps.papers.wording import duration

TEMPLATES = ("../papers/report/templates/plan.html.j2",)
TOO_LONG = 1.15  # of the ideal bound; above it the remedy is told
SHARED = "A job that several targets need is counted in each, and once in `all`."


def stages(plan: CostPlan) -> pd.DataFrame:
    """A line for each step, in the order of the work, and one for all."""
    whole = {"all": range(len(plan.jobs))}
    return _lines(plan, "stage", {**plan.stages, **whole})


def targets(plan: CostPlan) -> pd.DataFrame:
    """A line for each paper, table and figure, with every job that it needs."""
    every = {**plan.papers, **plan.pages}
    return _lines(
        plan,
        "target",
        {name: every[name] for name in sorted(every, key=lambda n: (n == NO_PAPER, n))},
    )


def _lines(
    plan: CostPlan, kind: str, groups: Mapping[str, Iterable[int]]
) -> pd.DataFrame:
    lines = []
    for name, some in groups.items():
        indices = sorted(some)
        left = [index for index in indices if plan.jobs[index].to_do]
        known = [plan.durations[index] for index in indices]
        basis = Counter(expected.basis for expected in known).most_common()
        lines.append(
            {
                kind: name,
                "jobs": len(indices),
                "to do": len(left),
                f"{plan.device} hours": round(plan.device_hours(indices), 3),
                "hours to do": round(plan.device_hours(left), 3),
                "longest seconds": round(
                    max(expected.seconds or 0 for expected in known), 1
                ),
                "known by": ", ".join(f"{count} {source}" for source, count in basis),
            }
        )
    return pd.DataFrame(lines)


def schedules(plan: CostPlan) -> pd.DataFrame:
    """How long what is left lasts, beside the shortest time that any order could take."""
    lines = []
    for count in GPUS:
        least = plan.bound(count)
        lasts = plan.schedule(count).makespan
        longest_first = plan.schedule(count, longest_first=True).makespan
        lines.append(
            {
                f"{plan.device}s": count,
                "seconds": round(lasts),
                "ideal seconds": round(least),
                "ratio": round(lasts / least, 3) if least else 1.0,
                "ratio, longest path first": (
                    round(longest_first / least, 3) if least else 1.0
                ),
            }
        )
    return pd.DataFrame(lines)


def jobs(plan: CostPlan) -> pd.DataFrame:
    """A line for each job."""
    return pd.DataFrame(
        {
            "step": job.step,
            "name": job.name,
            "papers": " ".join(p for p, some in plan.papers.items() if index in some),
            "to do": job.to_do,
            "gpus": job.gpus,
            "seconds": known.seconds,
            "known by": known.basis,
            "limit seconds": 60 * job.minutes,
        }
        for index, (job, known) in enumerate(
            zip(plan.jobs, plan.durations, strict=True)
        )
    )


def remarks(plan: CostPlan) -> Iterator[str]:
    """Remarks that the tables don't show."""
    yield SHARED
    path = [
        (plan.jobs[i], plan.durations[i].seconds or 0) for i in plan.critical_path()
    ]
    whole = sum(seconds for _, seconds in path)
    steps = [
        f"{job.step} {job.name} ({duration(seconds)})"
        for job, seconds in path
        if seconds >= whole / 100
    ]
    yield f"Critical path, {duration(whole)}: {', '.join(steps) or 'nothing is left'}."
    both = list(zip(plan.jobs, plan.durations, strict=True))
    if unknown := sum(known.basis == UNKNOWN for _, known in both):
        yield f"{unknown} jobs of unknown duration count as 0: all times are lower bounds."
    if least := sum(known.basis.startswith(AT_LEAST) for _, known in both):
        yield (
            f"{least} jobs may take longer than shown: they skip misclassified "
            "images, and the models of a trial have learned hardly anything."
        )
    late = Counter(
        job.step
        for job, known in both
        if job.to_do and job.gpus and (known.seconds or 0) > 60 * job.minutes
    )
    for step, count in late.items():
        yield (
            f"{count} jobs of {step} need more than their time limit: they save, stop "
            "before it, and continue in another attempt with more time."
        )
    for count, _, _, ratio, longest_first in schedules(plan).itertuples(index=False):
        if ratio > TOO_LONG:
            yield (
                f"On {count} {plan.device}s the order of the jobs costs "
                f"{100 * (ratio - 1):.0f} % more than the ideal, and longest path first "
                f"{100 * (longest_first - 1):.0f} %: a higher `priority` of the rules "
                "that begin long paths is the remedy."
            )


def _shown(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Head and cells for people: seconds have a unit."""
    head = [str(name).replace(" seconds", "") for name in table.columns]
    head = ["expected" if name == "seconds" else name for name in head]
    rows = [
        [
            duration(value)
            if "seconds" in str(name)
            else f"{value:,.2f}"
            if isinstance(value, float)
            else str(value)
            for name, value in zip(table.columns, line, strict=True)
        ]
        for line in table.itertuples(index=False)
    ]
    return head, rows


def text(plan: CostPlan) -> str:
    """The plan for a terminal."""
    parts = [f"Scale {plan.scale}: {plan.settings.title}"]
    for table in (stages(plan), targets(plan), schedules(plan)):
        head, rows = _shown(table)
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        lines = [
            "  ".join(
                cell.rjust(width) if number else cell.ljust(width)
                for cell, width, number in zip(
                    line, widths, _numbers(table), strict=True
                )
            ).rstrip()
            for line in (head, *rows)
        ]
        parts.append("\n".join(lines))
    return "\n\n".join([*parts, "\n".join(remarks(plan))])


def _numbers(table: pd.DataFrame) -> list[bool]:
    return [pd.api.types.is_numeric_dtype(kind) for kind in table.dtypes]


def write_tables(plan: CostPlan, folder: Path) -> None:
    """The tables as CSV, one of them with a line for each job, and all as a page."""
    tables = {
        "stages": stages(plan),
        "targets": targets(plan),
        "schedules": schedules(plan),
    }
    for name, table in {**tables, "jobs": jobs(plan)}.items():
        path = folder / f"{name}.csv"
        table.to_csv(path, index=False, lineterminator="\n", float_format="%.6g")
    made = render(
        "plan.html.j2",
        title="What the work will cost",
        scale=f"Scale {plan.scale}: {plan.settings.title}",
        tables={n: (*_shown(table), _numbers(table)) for n, table in tables.items()},
        remarks=[*remarks(plan)],
    )
    (folder / "plan.html").write_text(made, encoding="utf-8")
