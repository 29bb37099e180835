"""Results as typed JSON: tables cell by cell, and claims with what decides them.

Steps pass these files to each other. CSV, pages, LaTeX and pictures are for people:
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

# From this many trainings on, their spread says what another one would give. Student's
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
    """A file of verdicts behind a cell, and its card, relative to the table."""

    file: str
    card: str


class Cell(Settings):
    """One number of a table: printed, measured, and remarks on it."""

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
    """Whether the threat's strength is our choice, because the paper doesn't state it."""
    not_run: NotRun | None = None
    flags: tuple[Flag, ...] = ()
    lost: Lost | None = None
    """Whether the printed number was lost when the paper's text was extracted."""
    printed_mean: float | None = None
    """The mean of the printed row, if its printed average differs."""
    notes: tuple[str, ...] = ()
    """The config's note on the row, on its first cell."""
    runs: tuple[JudgedRun, ...] = ()
    """The verdicts behind it."""

    @property
    def difference(self) -> float | None:
        """Measured less published, as both are printed."""
        if self.measured is None or self.published is None:
            return None
        return round(self.measured, 2) - self.published


class MeasuredTable(Settings):
    """A published table with the measured numbers."""

    spec: TableSpec
    cells: list[list[Cell]]
    """A list for each row; the average, if there is one, comes last."""

    @property
    def columns(self) -> list[str]:
        average = [self.spec.average] if self.spec.average else []
        return [*(column.label for column in self.spec.columns), *average]

    def printed(self) -> Iterator[Cell]:
        """Cells with a printed number, without averages, which are recomputed."""
        for row in self.cells:
            for cell in row:
                if cell.kind != "average" and cell.published is not None:
                    yield cell

    def doubted(self) -> Iterator[Row | Column]:
        """The rows and columns with doubts about their printed numbers."""
        yield from (row for row in self.spec.rows if row.doubt)
        yield from (column for column in self.spec.columns if column.doubt)


class Outcome(StrEnum):
    """How the numbers decide a claim."""

    HOLDS = "holds"
    FAILS = "does_not_hold"
    INCONCLUSIVE = "inconclusive"
    """The interval contains both answers."""
    NOT_RUN = "not_run"

    @property
    def is_decided(self) -> bool:
        return self in (Outcome.HOLDS, Outcome.FAILS)


class Verdict(NamedTuple):
    """An outcome with its limits; claims with equal verdicts are counted together."""

    outcome: Outcome
    trainings: int
    """The number of trainings that decide it, capped at enough."""
    papers_size: bool

    @property
    def is_reproduction(self) -> bool:
        """Whether it says that the paper reproduces, or does not."""
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
    """Of the difference, or of the accuracy that is compared with a number."""
    paired: bool = False
    """Whether it is the difference of two accuracies on the same images."""
    trainings: int = 1
    agreeing: int = 1
    """The number of trainings that agree with their mean."""
    p: float | None = None
    """Of an exact test over the images, where there is one."""


class DecidedClaim(Settings):
    """A claim with its outcome and evidence."""

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
    """The number of seeds behind the networks that decide it."""
    papers_size: bool
    """Whether everything had the paper's size."""
    p: float | None = None
    """Of the comparison that decides it, where there is an exact test."""
    findings: tuple[Finding, ...] = ()
    """Every comparison that it makes."""
    not_run: str | None = None
    """Why it could not be decided."""
    printed: Outcome | None = None
    """The outcome by the paper's own numbers, if they decide it."""

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
        """The number of claims with each outcome."""
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
