"""Decided claims as they lie in files, a line each."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import field_validator

from pipeline_steps.core.lines import read_lines, write_lines
from pipeline_steps.core.settings import Settings
from pipeline_steps.papers.outcome import Outcome, verdict


class DecidedClaim(Settings):
    """A claim with its outcome, and what that rests on."""

    paper: str
    claim: str
    """The claim's own name."""
    place: str
    """Where the paper says it."""
    says: str
    ours: bool
    """Whether the claim is this project's, not the paper's."""
    outcome: Outcome
    trainings: int | None = None
    """From how many seeds the networks were trained that decide it."""
    papers_size: bool
    """Whether nothing was smaller than the paper has it."""
    p: float | None = None
    """Of an exact test over the images, where there is one."""
    detail: str = ""
    printed: Outcome | None = None
    """What the numbers that the paper prints make of it, if they decide it."""

    @field_validator("trainings", "p", "printed", mode="before")
    @classmethod
    def _nothing(cls, value: object) -> object:
        """An empty cell says nothing."""
        return None if value == "" else value

    @property
    def verdict(self) -> str:
        """The outcome in words."""
        return verdict(self.outcome, self.trainings, self.papers_size)

    def line(self) -> dict[str, str]:
        """As the cells of a file."""
        told = self.model_dump(mode="json", exclude={"p"})
        cells = {key: _cell(value) for key, value in told.items()}
        p = "" if self.p is None else f"{self.p:.3g}"
        return {key: cells.get(key, p) for key in COLUMNS}


def _cell(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


COLUMNS = tuple(DecidedClaim.model_fields)


def write_claims(claims: Iterable[DecidedClaim], path: Path) -> None:
    write_lines(path, COLUMNS, (claim.line() for claim in claims))


def read_claims(path: Path) -> list[DecidedClaim]:
    return [DecidedClaim.model_validate(line) for line in read_lines(path)]


def by_outcome(claims: Sequence[DecidedClaim]) -> dict[str, int]:
    """How many claims met which outcome."""
    met = Counter(claim.outcome for claim in claims)
    return {outcome.value: met[outcome] for outcome in Outcome}


def by_verdict(claims: Sequence[DecidedClaim]) -> dict[str, list[DecidedClaim]]:
    """The claims by their verdicts in words, in the order of the outcomes."""
    order = [*Outcome]
    found: dict[str, list[DecidedClaim]] = {}
    for claim in sorted(claims, key=lambda c: (order.index(c.outcome), -_known(c))):
        found.setdefault(claim.verdict, []).append(claim)
    return found


def _known(claim: DecidedClaim) -> int:
    return claim.trainings or 0
