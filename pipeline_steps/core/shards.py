"""Splits large work into shards, each a job of its own, and joins their results.

A shard is a run of whole batches, so its numbers are those that one job for all would
have come to, and the gathered result doesn't depend on how many shards there were.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from pipeline_steps.core.card import Card, code_facts, digests_of, verify
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.settings import Count, Settings
from pipeline_steps.core.step import Job


class Shard(Settings):
    """One of several shards of a job's work."""

    number: Count
    of: Count

    @classmethod
    def named(cls, name: str) -> "Shard":
        """Its name in paths: `2-of-8`."""
        number, _, of = name.partition("-of-")
        return cls(number=int(number), of=int(of))

    def batches(self, items: int, batch: int) -> list[range]:
        """The batches of this shard; an empty one where there are too few."""
        whole = cut(items, batch)
        each, rest = divmod(len(whole), self.of)
        start = (self.number - 1) * each + min(self.number - 1, rest)
        return whole[start : start + each + (self.number <= rest)] or [range(0)]


# A spec of all of a job's work has no such key.
OneShard = Annotated[Shard | None, Field(exclude_if=lambda shard: shard is None)]
WHOLE = Shard(number=1, of=1)


def cut(items: int, batch: int) -> list[range]:
    """All items in batches; the last one may be smaller."""
    return [range(start, min(start + batch, items)) for start in range(0, items, batch)]


def gathered(job: Job, role: str) -> list[Path]:
    """Each shard's file for a role, in order, after a check that they belong
    together."""
    cards = job.parts["card"]
    for number, (path, place) in enumerate(zip(job.parts[role], cards, strict=True), 1):
        card = verify(path, place, role)
        if not _belongs(job, card, Shard(number=number, of=len(cards))):
            raise PipelineError(
                f"{path} is a shard of another job, or was made from other code or "
                "other inputs; delete it and run snakemake again"
            )
    return job.parts[role]


def _belongs(job: Job, card: Card, shard: Shard) -> bool:
    own = code_facts(job.code)["modules"]
    wanted = {**job.spec.model_dump(mode="json"), "shard": shard.model_dump()}
    return (
        card.spec == wanted
        and card.code["modules"].items() <= own.items()
        and digests_of(card.inputs) == job.input_digests()
    )
