"""What came out, as typed JSON: tables cell by cell, and claims with what decides them.

Steps hand these files on to each other. CSV, pages, LaTeX and pictures are for people:
`papers.wording` chooses their words, and nothing reads them back.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

from pydantic import Field, ValidationError

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.files import read_json, write_json
from pipeline_steps.core.settings import Settings
from pipeline_steps.evaluation.red_flags import Flag
from pipeline_steps.papers.claim import Comparison
from pipeline_steps.papers.spec import Column, Lost, NotRun, Row, Run, TableSpec
from pipeline_steps.papers.statistics import Interval

# From so many trainings on, their spread says what another one would give. Student's
# factor is 12.7 for two and 4.3 for three.
ENOUGH_TRAININGS = 3

Content = TypeVar("Content", bound=Settings)


def write_results(path: Path, content: Settings) -> None:
    """Results as JSON; a float keeps all its digits."""
    write_json(path, content.model_dump(mode="json"))


def read_results(path: Path, kind: type[Content]) -> Content:
    """Results as a step of this pipeline wrote them."""
    try:
        return kind.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise PipelineError(
            f"{path} is not a {kind.__name__} ({where}: {first['msg']}); delete it and "
            "build it again"
        ) from error


class JudgedRun(Run):
    """A file of verdicts behind a cell, and its card, as they lie from the table."""

    file: str
    card: str


class Cell(Settings):
    """One number of a table: as printed, as measured, and what is to be said of it."""

    method: str
    column: str
    kind: Literal["accuracy", "difference", "average"] = "accuracy"
    """A difference is paired image by image; an average is the mean of its row."""
    published: float | None
    measured: float | None = None
    """In percent, as all numbers here."""
    interval: Interval | None = None
    """Over the test images."""
    spread: float | None = None
    """The standard deviation between seeds, where there are several."""
    images: int = 0
    seeds: int = 0
    calibrated: bool = False
    """Whether the paper doesn't state the threat's strength, so that ours is a
    choice."""
    not_run: NotRun | None = None
    flags: tuple[Flag, ...] = ()
    lost: Lost | None = None
    """Whether the printed number was lost where the paper's text was read."""
    printed_mean: float | None = None
    """The mean of the printed row, where its printed average is another."""
    notes: tuple[str, ...] = ()
    """What the config says of the row, on its first cell."""
    runs: tuple[JudgedRun, ...] = ()
    """All that it comes from."""

    @property
    def difference(self) -> float | None:
        """Measured less published, as both are printed."""
        if self.measured is None or self.published is None:
            return None
        return round(self.measured, 2) - self.published


class MeasuredTable(Settings):
    """A published table with what was measured beside it."""

    spec: TableSpec
    cells: list[list[Cell]]
    """A list for each row; the average, if there is one, comes last."""

    @property
    def columns(self) -> list[str]:
        average = [self.spec.average] if self.spec.average else []
        return [*(column.label for column in self.spec.columns), *average]

    def printed(self) -> Iterator[Cell]:
        """Cells with a printed number, averages left out, for they are recomputed."""
        for row in self.cells:
            for cell in row:
                if cell.kind != "average" and cell.published is not None:
                    yield cell

    def doubted(self) -> Iterator[Row | Column]:
        """The rows and columns against whose printed numbers something speaks."""
        yield from (row for row in self.spec.rows if row.doubt)
        yield from (column for column in self.spec.columns if column.doubt)


class Outcome(StrEnum):
    """What the numbers make of a claim."""

    HOLDS = "holds"
    FAILS = "does_not_hold"
    INCONCLUSIVE = "inconclusive"
    """The interval contains both answers."""
    NOT_RUN = "not_run"

    @property
    def is_decided(self) -> bool:
        return self in (Outcome.HOLDS, Outcome.FAILS)


class Verdict(NamedTuple):
    """An outcome with what limits it; claims of equal verdicts are counted together."""

    outcome: Outcome
    trainings: int
    """How many decide it, but no more than are enough."""
    papers_size: bool

    @property
    def is_reproduction(self) -> bool:
        """Whether it says of the paper itself that it reproduces, or does not."""
        enough = self.trainings >= ENOUGH_TRAININGS
        return self.papers_size and enough and self.outcome.is_decided


class Finding(Settings):
    """One comparison of a claim, decided."""

    comparison: Comparison
    left: float
    right: float
    """The values of both sides."""
    outcome: Outcome
    interval: Interval | None = None
    """Of the difference, or of the accuracy that is held against a number."""
    paired: bool = False
    """Whether it is the difference of two accuracies on the same images."""
    trainings: int = 1
    agreeing: int = 1
    """For how many trainings alone it comes out as for their mean."""
    p: float | None = None
    """Of an exact test over the images, where there is one."""


class DecidedClaim(Settings):
    """A claim with its outcome, and what that rests on."""

    paper: str
    claim: str
    """The claim's own name."""
    place: str
    """Where the paper says it."""
    says: str
    ours: bool
    """Whether the claim is ours, not the paper's."""
    outcome: Outcome
    trainings: int | None = None
    """From how many seeds the networks were trained that decide it."""
    papers_size: bool
    """Whether nothing was smaller than the paper has it."""
    p: float | None = None
    """Of the comparison that decides it, where there is an exact test."""
    findings: tuple[Finding, ...] = ()
    """Every comparison that it makes."""
    not_run: str | None = None
    """Why it could not be decided."""
    printed: Outcome | None = None
    """What the numbers that the paper prints make of it, if they decide it."""

    @property
    def verdict(self) -> Verdict:
        if self.outcome is Outcome.NOT_RUN:
            return Verdict(self.outcome, 0, self.papers_size)
        trainings = min(self.trainings or 0, ENOUGH_TRAININGS)
        return Verdict(self.outcome, trainings, self.papers_size)


class DecidedClaims(Settings):
    """The claims of a paper, or of all papers in their order."""

    claims: list[DecidedClaim] = Field(default_factory=list)

    @property
    def by_outcome(self) -> dict[str, int]:
        """How many claims have which outcome."""
        counts = Counter(claim.outcome for claim in self.claims)
        return {outcome.value: counts[outcome] for outcome in Outcome}


def by_verdict(claims: Sequence[DecidedClaim]) -> dict[Verdict, list[DecidedClaim]]:
    """Claims by verdict, in the order of the outcomes, most trainings first."""
    order = [*Outcome]

    def rank(claim: DecidedClaim) -> tuple[int, int]:
        return order.index(claim.outcome), -(claim.trainings or 0)

    groups: dict[Verdict, list[DecidedClaim]] = {}
    for claim in sorted(claims, key=rank):
        groups.setdefault(claim.verdict, []).append(claim)
    return groups
