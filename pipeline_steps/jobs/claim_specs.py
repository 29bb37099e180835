"""From the config to the claims: what decides each, and which a scale leaves out."""

from collections.abc import Iterator
from functools import cached_property

from pipeline_steps.config.papers import Paper
from pipeline_steps.config.schema import Config
from pipeline_steps.jobs.pages import Pages
from pipeline_steps.layout import RULES
from pipeline_steps.papers.claim import (
    AllClaimsSpec,
    Claim,
    ClaimsSpec,
    LeftOut,
    Result,
)
from pipeline_steps.papers.panels import KINDS
from pipeline_steps.papers.printed import borne_out
from pipeline_steps.papers.spec import Key, judged, keys

# At most this many of a claim's missing results are named.
NAMED = 3


class ClaimSpecs:
    """The specs of the claims, of one paper and of all."""

    def __init__(self, config: Config, pages: Pages) -> None:
        self.config, self.pages = config, pages

    def of(self, paper: str) -> ClaimsSpec:
        """A paper's claims; those that need what the scale doesn't make are marked as
        not run."""
        content = self.config.papers[paper]
        named = dict.fromkeys(
            name
            for claim in content.claims
            for name in (claim.dataset, *(part.trained_on for part in claim.quantities))
            if name
        )
        whole = ClaimsSpec(
            scale=self.config.name,
            papers_size=self.config.is_papers_size,
            stand_ins={n: used for n in named if (used := self.pages.stand_in(n)) != n},
            paper=paper,
            claims=content.claims,
            printed=_printed(content),
            seeds=self.config.scale.claim_seeds or self.config.scale.seeds,
            once=sorted(self.config.own.models),
        )
        decided = [self._at_scale(whole, claim) for claim in content.claims]
        return whole.model_copy(update={"claims": decided})

    def all(self) -> AllClaimsSpec:
        specs = [self.of(paper) for paper in self.papers]
        left_out = self.left_out()
        return AllClaimsSpec(
            scale=self.config.name,
            papers_size=self.config.is_papers_size,
            datasets=sorted({s.used(c) for s in specs for c in s.claims if c.holds}),
            papers=self.papers,
            names=self.pages.names_in([specs, left_out]),
            left_out=left_out,
        )

    def left_out(self) -> dict[str, LeftOut]:
        """The results that claims lack at this scale, by the claims' names."""
        lacking = {
            claim.name: self._lacking(spec, claim)
            for spec in map(self.of, self.papers)
            for claim in self.config.papers[spec.paper].claims
        }
        return {
            name: LeftOut(results=some[:NAMED], more=max(0, len(some) - NAMED))
            for name, some in lacking.items()
            if some
        }

    @property
    def papers(self) -> list[str]:
        """The papers that have claims."""
        return [name for name, paper in self.config.papers.items() if paper.claims]

    def _at_scale(self, spec: ClaimsSpec, claim: Claim) -> Claim:
        lacking = [str(result) for result in self._lacking(spec, claim)]
        if not lacking:
            return claim
        more = len(lacking) - NAMED
        shown = [*lacking[:NAMED], *([f"{more} more"] if more > 0 else [])]
        why = f"left out at scale {self.config.name}: {', '.join(shown)}"
        return claim.model_copy(update={"holds": [], "not_run": why})

    def _lacking(self, spec: ClaimsSpec, claim: Claim) -> list[Result]:
        """The results that decide a claim and that the scale does not make."""
        if not self.config.scale.pages:
            return []
        needed = dict.fromkeys(spec.results(claim))
        return [result for result in needed if result not in self._made]

    @cached_property
    def _made(self) -> set[Result]:
        """The results that the scale's default pages show."""
        return {
            result
            for paper, content in self.config.papers.items()
            for page in self.pages.chosen(paper)
            for result in (
                self._of_table(paper, page)
                if page in content.tables
                else self._of_figure(paper, page)
            )
        }

    def _of_table(self, paper: str, table: str) -> Iterator[Result]:
        for run in self.pages.table(paper, table).runs:
            yield Result("verdicts", run.dataset, run.defense, run.threat)

    def _of_figure(self, paper: str, figure: str) -> Iterator[Result]:
        spec = self.pages.figure(paper, figure)
        for panel in spec.panels:
            family = RULES[KINDS[panel.what].rule].family
            of = panel.defense or panel.manifold
            yield Result(family, spec.used(panel), str(of), panel.threat or "")


def _printed(paper: Paper) -> dict[str, bool]:
    """How a paper's printed tables decide its claims; if a cell has two numbers, the
    first counts."""
    numbers: dict[tuple[Key, ...], float] = {}
    for table in paper.tables.values():
        for row in table.rows:
            for column, value in zip(table.columns, row.published, strict=True):
                if row.defense and column.threats and value is not None:
                    place = row.dataset or table.dataset
                    defense = judged(row.defense, place, row.trained_on)
                    cell = keys(place, defense, column.threats, column.corruptions)
                    numbers.setdefault(tuple(cell), value)
    printed = {claim.name: borne_out(claim, numbers) for claim in paper.claims}
    return {name: holds for name, holds in printed.items() if holds is not None}
