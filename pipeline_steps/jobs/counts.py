"""Counts which of the papers' printed numbers are measured.

By paper and table: how many are measured, of these how many under an attack whose setting
the paper leaves open, how many are shown as published only, and why.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter

from pipeline_steps.jobs.specs import Specs
from pipeline_steps.papers.spec import NOT_PRINTED

HEAD = ("paper", "table", "printed", "computed", "calibrated", "published only")


@dataclass
class Count:
    """The printed numbers of one table, without averages, which are recomputed."""

    paper: str
    table: str
    computed: int = 0
    calibrated: int = 0
    """How many of the computed ones depend on a setting that the paper doesn't state."""
    published_only: Counter[str] = field(default_factory=Counter)
    """By the reason why."""

    @property
    def numbers(self) -> list[int]:
        rest = self.published_only.total()
        return [self.computed + rest, self.computed, self.calibrated, rest]


def counts(plan: Specs) -> Iterator[Count]:
    """A count for each table of each paper."""
    for paper, content in plan.config.papers.items():
        for table in content.tables:
            yield count(plan, paper, table)


def count(plan: Specs, paper: str, table: str) -> Count:
    spec, tally = plan.pages.table(paper, table), Count(paper, table)
    for row in filter(attrgetter("printed"), spec.rows):
        for place, column in enumerate(spec.columns):
            why = spec.not_run(row, place)
            if column.ours:
                continue
            if why is None:
                tally.computed += 1
                tally.calibrated += column.calibrated
            elif why != NOT_PRINTED:
                tally.published_only[why] += 1
    return tally


def text(counted: list[Count]) -> str:
    """All counts as a table, and below it the reasons."""
    sums = map(sum, zip(*(table.numbers for table in counted), strict=True))
    lines = [[table.paper, table.table, *table.numbers] for table in counted]
    shown = [
        [str(cell) for cell in line] for line in (HEAD, *lines, ["all", "", *sums])
    ]
    widths = [max(map(len, cells)) for cells in zip(*shown, strict=True)]
    reasons: Counter[str] = sum((table.published_only for table in counted), Counter())
    return "\n".join(
        [
            *("  ".join(map(str.rjust, line, widths)) for line in shown),
            "",
            "Published only:",
            *(f"{number:5}  {why}" for why, number in reasons.most_common()),
        ]
    )
