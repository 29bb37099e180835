"""From the config to the claims: what decides each, and which a scale leaves out."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import NamedTuple

from pipeline_steps.config.pages import Pages
from pipeline_steps.config.paper_models import Paper
from pipeline_steps.papers.claim import Claim, ClaimsSpec, PaperClaims
from pipeline_steps.papers.panels import KINDS
from pipeline_steps.papers.printed import borne_out
from pipeline_steps.papers.spec import Run

# So many of what a claim lacks are named.
NAMED = 3


class Result(NamedTuple):
    """What a claim rests on: verdicts, a curve, or a manifold."""

    family: str
    dataset: str
    of: str
    """A defense or a generator."""
    threat: str = ""

    def __str__(self) -> str:
        return f"{self.of} under {self.threat}" if self.threat else self.of


class Claimed(Pages):
    """The spec of the claims; a part of `Plan`."""

    def claims(self) -> ClaimsSpec:
        """All claims, and the runs that decide those whose results the scale makes."""
        papers = [
            PaperClaims(
                paper=paper,
                claims=[self._at_scale(claim) for claim in content.claims],
                printed=_printed(content),
            )
            for paper, content in self.config.papers.items()
        ]
        claims = [claim for paper in papers for claim in paper.claims]
        needed = dict.fromkeys(one for claim in claims for one in self._needs(claim))
        named = {claim.dataset: self.stand_in(claim.dataset) for claim in claims}
        return ClaimsSpec(
            scale=self.config.name,
            scale_title=self.config.scale.title,
            papers_size=self.config.is_papers_size,
            stand_ins={name: used for name, used in named.items() if used != name},
            papers=papers,
            runs=[*self._runs_of("verdicts", needed)],
            curves=[*self._runs_of("curves", needed)],
            manifolds=sorted(
                f"{one.dataset}/{one.of}" for one in needed if one.family == "manifolds"
            ),
        )

    def _at_scale(self, claim: Claim) -> Claim:
        """A claim, as not run where the scale does not make all that it rests on."""
        if not self.config.scale.pages:
            return claim
        needed = dict.fromkeys(self._needs(claim))
        lacking = [str(one) for one in needed if one not in self._made]
        if not lacking:
            return claim
        more = len(lacking) - NAMED
        told = [*lacking[:NAMED], *([f"{more} more"] if more > 0 else [])]
        why = f"left out at scale {self.config.name}: {', '.join(told)}"
        return claim.model_copy(update={"holds": [], "not_run": why})

    def _needs(self, claim: Claim) -> Iterator[Result]:
        dataset = self.stand_in(claim.dataset)
        for comparison in claim.comparisons:
            for one in comparison.quantities:
                family = "curves" if one.epoch else "verdicts"
                for threat in one.threats if one.defense else ():
                    yield Result(family, dataset, str(one.defense), threat)
                if one.manifold:
                    yield Result("manifolds", dataset, one.manifold)

    @cached_property
    def _made(self) -> set[Result]:
        """What stands behind the pages that the scale makes by default."""
        return {
            one
            for paper, content in self.config.papers.items()
            for page in self.pages(paper)
            for one in (
                self._of_table(paper, page)
                if page in content.tables
                else self._of_figure(paper, page)
            )
        }

    def _of_table(self, paper: str, table: str) -> Iterator[Result]:
        for run in self.table(paper, table).runs:
            yield Result("verdicts", run.dataset, run.defense, run.threat)

    def _of_figure(self, paper: str, figure: str) -> Iterator[Result]:
        spec = self.figure(paper, figure)
        for panel in spec.panels:
            family, of = KINDS[panel.what].family, panel.defense or panel.manifold
            yield Result(family, spec.dataset, str(of), panel.threat or "")

    def _runs_of(self, family: str, needed: Iterable[Result]) -> Iterator[Run]:
        for one in needed:
            if one.family == family:
                yield from self._runs(one.dataset, one.of, one.threat)


def _printed(paper: Paper) -> dict[str, bool]:
    """What its tables make of its claims; of two numbers for one cell the last counts."""
    numbers = {
        (row.dataset or table.dataset, row.defense, tuple(column.threats)): value
        for table in paper.tables.values()
        for row in table.rows
        for column, value in zip(table.columns, row.published, strict=True)
        if row.defense and column.threats and value is not None
    }
    told = {claim.name: borne_out(claim, numbers) for claim in paper.claims}
    return {name: holds for name, holds in told.items() if holds is not None}
