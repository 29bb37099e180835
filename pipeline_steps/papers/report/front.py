"""The front page: what was reproduced, at which scale, what to doubt, and what it cost."""

from collections.abc import Iterator, Sequence

from pipeline_steps.papers import wording
from pipeline_steps.papers.report import parts
from pipeline_steps.papers.report.cells import box_of, cell_at, doubts_about
from pipeline_steps.papers.report.contents import Contents, Result, Table
from pipeline_steps.papers.report.paper import claim_at, sign, tested
from pipeline_steps.papers.report.parts import code, duration, link, short, tag
from pipeline_steps.papers.results import Cell, DecidedClaim, Verdict, by_verdict
from pipeline_steps.papers.spec import Column, PrintedPaper, Row
from pipeline_steps.papers.style import escape, paper_name

SMALLER = (
    "This scale is smaller than the papers': it shows that the pipeline works and what "
    "came out here, not whether a paper reproduces."
)
MOST = 10


def page(contents: Contents, papers: Sequence[PrintedPaper]) -> str:
    """What a reader sees first."""
    return tag(
        "section",
        tag("h2", "Overview", id="overview/title"),
        tag("p", SMALLER, class_="warning") if contents.scale != "paper" else "",
        _counted(contents, papers),
        tag("h3", "What was computed"),
        _papers(contents, papers),
        tag("h3", "Claims by verdict"),
        *_claims(contents),
        tag("h3", "Red flags", id="overview/red-flags"),
        _red_flags(contents),
        tag("h3", "Doubts about printed numbers"),
        _contradictions(contents),
        tag("h3", "What it cost", id="overview/costs"),
        *costs([*contents.results.values()]),
        id="overview",
        class_="page",
        aria_labelledby="overview/title",
    )


def _counted(contents: Contents, papers: Sequence[PrintedPaper]) -> str:
    measured = [
        cell
        for table in contents.tables
        for cell in table.measured.printed()
        if cell.measured is not None
    ]
    tables, figures = (
        sum(len(pages) for pages in kind)
        for kind in ([p.tables for p in papers], [p.figures for p in papers])
    )
    numbers = sum(table.numbers for paper in papers for table in paper.tables)
    shown = [
        (f"{len(contents.tables)} of {tables}", "tables"),
        (f"{len(contents.figures)} of {figures}", "figures"),
        (f"{len(measured):,} of {numbers:,}", "printed numbers measured"),
        *(
            (f"{len(some)}", f"claims: {wording.verdict(reached)}")
            for reached, some in by_verdict(contents.claims).items()
        ),
        (f"{len([*_flagged(contents)])}", "numbers with a red flag"),
    ]
    boxes = (tag("li", tag("strong", number), escape(what)) for number, what in shown)
    return tag("ul", "\n".join(boxes), class_="counts")


def _papers(contents: Contents, papers: Sequence[PrintedPaper]) -> str:
    verdicts = [*by_verdict(contents.claims)]
    counts = ("Tables", "Figures", "Printed", "Measured", "Left out", "Published only")
    heads = [parts.head("Paper")]
    heads += [
        parts.head(escape(n), True)
        for n in (
            *counts,
            *(f"Claims: {wording.verdict(verdict)}" for verdict in verdicts),
        )
    ]
    rows = [[*_paper(contents.of(p.paper), p, verdicts)] for p in papers]
    caption = (
        "Tables and figures made here, of those that the config knows; numbers that the "
        "tables print, averages apart: measured here, left out at this scale, or without "
        "anything behind them at any scale; claims by verdict."
    )
    return parts.table("overview/papers", caption, heads, rows)


def _paper(
    contents: Contents, paper: PrintedPaper, verdicts: Sequence[Verdict]
) -> Iterator[str]:
    name = paper.paper
    title = tag("span", escape(paper.title), class_="small")
    yield parts.row_head(f"{link(name, paper_name(name))}<br>{title}")
    for made, known in (
        (contents.tables, paper.tables),
        (contents.figures, paper.figures),
    ):
        yield parts.number(f"{len(made)} of {len(known)}", len(made))
    printed = sum(table.numbers for table in paper.tables)
    only = sum(table.published_only for table in paper.tables)
    cells = [cell for table in contents.tables for cell in table.measured.printed()]
    measured = sum(cell.measured is not None for cell in cells)
    for count in (printed, measured, printed - only - measured, only):
        yield parts.number(f"{count:,}", count)
    groups = by_verdict(contents.claims)
    for verdict in verdicts:
        count = len(groups.get(verdict, ()))
        yield parts.number(f"{count}", count)


def _claims(contents: Contents) -> Iterator[str]:
    if not contents.claims:
        yield tag("p", "No claim was decided.")
    for some in by_verdict(contents.claims).values():
        title = f"{sign(some[0])}: {len(some)}"
        lines = map(_claim, some)
        yield tag("details", tag("summary", title), parts.items(lines))


def _claim(claim: DecidedClaim) -> str:
    sure = f" ({tested(claim)})" if tested(claim) else ""
    small = tag(
        "span", f"{escape(wording.detail(claim))}{escape(sure)}", class_="small"
    )
    shown = link(claim_at(claim), f"{paper_name(claim.paper)}: {claim.says}")
    return f"{shown}<br>{small}"


def _numbers(contents: Contents) -> Iterator[tuple[str, str, Cell]]:
    """Each cell with its name and its place."""
    for table in contents.tables:
        for i, row in enumerate(table.spec.rows):
            for j, column in enumerate(table.measured.columns):
                name = f"{paper_name(table.spec.paper)}, {short(table.spec.title)}"
                label = f"{name}: {row.label}, {column}"
                yield label, cell_at(box_of(table, i, j)), table.rows[i][j]


def _flagged(contents: Contents) -> Iterator[str]:
    for label, anchor, cell in _numbers(contents):
        for raised in cell.flags:
            mark = tag("span", "⚑", class_="bad", aria_hidden="true")
            yield f"{mark} {link(anchor, label)}: {escape(wording.flag(raised))}"


def _red_flags(contents: Contents) -> str:
    none = "No number that was measured here raises one."
    return parts.items(_flagged(contents)) or tag("p", none)


def _contradictions(contents: Contents) -> str:
    """What is printed in one place and otherwise in another, and averages that are off."""
    notes = [
        f"{link(table.anchor, _name(table, part))}: {escape(part.note or '')}"
        for table in contents.tables
        for part in table.measured.noted()
    ]
    notes += [
        f"{link(anchor, label)}: the {escape(doubt)}"
        for label, anchor, cell in _numbers(contents)
        for doubt in doubts_about(cell)
    ]
    return parts.items(notes) or tag("p", "None, in the tables made here.")


def _name(table: Table, part: Row | Column) -> str:
    return f"{paper_name(table.spec.paper)}, {short(table.spec.title)}, {part.label}"


def costs(results: Sequence[Result]) -> Iterator[str]:
    """What computing took, by step, and the jobs that took most."""
    timed = [result for result in results if result.record]
    summary = (
        f"{len(timed)} of {len(results)} results have the record of a run; these took "
        f"{duration(sum(result.seconds for result in timed))} of computing in all."
    )
    yield tag("p", summary)
    steps: dict[str, list[Result]] = {}
    for result in timed:
        steps.setdefault(result.card.step, []).append(result)
    heads = [parts.head("Step"), parts.head("Jobs", True), parts.head("Time", True)]
    heads += [parts.head("Longest", True), parts.head("Memory (MB)", True)]
    rows = [
        [
            parts.row_head(code(step)),
            parts.number(f"{len(some)}", len(some)),
            _time(sum(result.seconds for result in some)),
            _time(max(result.seconds for result in some)),
            _memory(some),
        ]
        for step, some in sorted(
            steps.items(), key=lambda s: -sum(r.seconds for r in s[1])
        )
    ]
    yield parts.table("overview/steps", "Time by step, the longest first.", heads, rows)
    dearest = sorted(timed, key=lambda result: (-result.seconds, result.name))[:MOST]
    heads = [parts.head("Result"), parts.head("Time", True)]
    heads += [parts.head("Memory (MB)", True), parts.head("Machine")]
    rows = [
        [
            parts.row_head(code(result.name)),
            _time(result.seconds),
            _memory([result]),
            _where(result),
        ]
        for result in dearest
    ]
    yield parts.table("overview/jobs", f"The {len(rows)} dearest jobs.", heads, rows)


def _time(seconds: float) -> str:
    return parts.number(duration(seconds), seconds)


def _memory(some: Sequence[Result]) -> str:
    peak = max(int(result.record.get("peak_memory_mb", 0)) for result in some)
    gpu = max(int(result.record.get("peak_gpu_memory_mb", 0)) for result in some)
    return parts.number(f"{peak:,}" + (f", GPU {gpu:,}" if gpu else ""), peak + gpu)


def _where(result: Result) -> str:
    return escape(
        f"{result.record.get('machine', '?')}, {result.record.get('device', '?')}"
    )
