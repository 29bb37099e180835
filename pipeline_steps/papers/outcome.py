"""What becomes of a claim: one of four outcomes, and the words for it."""

from enum import StrEnum

# From so many trainings on, their spread says what another one would give. Student's
# factor is 12.7 for two and 4.3 for three.
ENOUGH_TRAININGS = 3


class Outcome(StrEnum):
    """What the numbers make of a claim; the values stand in files."""

    HOLDS = "holds"
    FAILS = "does_not_hold"
    INCONCLUSIVE = "inconclusive"
    """The interval contains both answers."""
    NOT_RUN = "not_run"

    @property
    def words(self) -> str:
        return self.value.replace("_", " ")

    @property
    def is_decided(self) -> bool:
        return self in (Outcome.HOLDS, Outcome.FAILS)


REPRODUCED = {Outcome.HOLDS: "reproduced", Outcome.FAILS: "not reproduced"}
COUNTED = {1: "one training", 2: "two trainings"}


def verdict(outcome: Outcome, trainings: int | None, papers_size: bool) -> str:
    """An outcome in words: only at the papers' size, and of enough trainings, is a claim
    reproduced or not; of fewer trainings this is said."""
    if outcome is Outcome.NOT_RUN:
        return outcome.words
    enough = trainings is not None and trainings >= ENOUGH_TRAININGS
    if papers_size and enough and outcome.is_decided:
        return REPRODUCED[outcome]
    here = "" if papers_size or not outcome.is_decided else " at this scale"
    only = "" if enough else f", {COUNTED.get(trainings or 0, 'no training')} only"
    return outcome.words + here + only
