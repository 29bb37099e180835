"""The tables and claims of all papers, and the runs that stand behind them."""

from collections.abc import Iterable, Iterator
from typing import Any

from pipeline_steps.config.whole import Config
from pipeline_steps.papers.spec import (
    ClaimsSpec,
    OverviewSpec,
    PaperClaims,
    Run,
    TableSpec,
)

# Ends the name of a defense that is judged by its best weights instead of its last.
BEST = ".best"


class Pages:
    """What is shown at one scale."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def stand_in(self, dataset: str) -> str:
        """The data set that is really used where a paper names this one."""
        return self.config.scale.stand_ins.datasets.get(dataset, dataset)

    def table(self, paper: str, table: str) -> TableSpec:
        config = self.config.papers[paper].tables[table]
        dataset = self.stand_in(config.dataset)
        defenses = [row.defense for row in config.rows if row.defense]
        threats = [column.threat for column in config.columns if column.threat]
        return TableSpec(
            paper=paper,
            table=table,
            title=config.title,
            scale=self.config.name,
            scale_title=self.config.scale.title,
            dataset=dataset,
            stands_for=config.dataset,
            average=config.average,
            columns=config.columns,
            rows=config.rows,
            runs=list(self._runs(dataset, defenses, threats)),
        )

    def claims(self) -> ClaimsSpec:
        papers = [
            PaperClaims(paper=paper, claims=self._standing(content.claims))
            for paper, content in self.config.papers.items()
        ]
        claims = [claim for paper in papers for claim in paper.claims]
        sides = [(c, s) for c in claims for h in c.holds for s in (h.left, h.right)]
        runs = {
            (run.dataset, run.defense, run.threat, run.seed): run
            for claim, side in sides
            if side.defense and side.threat
            for run in self._runs(claim.dataset, [side.defense], [side.threat])
        }
        manifolds = {f"{c.dataset}/{s.manifold}" for c, s in sides if s.manifold}
        return ClaimsSpec(
            scale=self.config.name,
            scale_title=self.config.scale.title,
            papers=papers,
            runs=list(runs.values()),
            manifolds=sorted(manifolds),
        )

    def overview(self) -> OverviewSpec:
        return OverviewSpec(scale=self.config.name, scale_title=self.config.scale.title)

    def label(self, run: Run) -> str:
        """A run's defense as it stands in a path: `at`, or `at@1` for seed 1.

        `at.best` and `at@1.best` are judged by their best weights.
        """
        name = run.defense.removesuffix(BEST)
        seed = "" if run.seed == self.config.scale.seeds[0] else f"@{run.seed}"
        return name + seed + run.defense.removeprefix(name)

    def _standing(self, claims: Iterable[Any]) -> list[Any]:
        return [
            claim.model_copy(update={"dataset": self.stand_in(claim.dataset)})
            for claim in claims
        ]

    def _runs(
        self, dataset: str, defenses: Iterable[str], threats: Iterable[str]
    ) -> Iterator[Run]:
        threats = list(dict.fromkeys(threats))
        for defense in dict.fromkeys(defenses):
            for threat in threats:
                seeds = self.config.scale.seeds
                # A model of the user's own was trained once, wherever that was.
                for seed in seeds[:1] if defense in self.config.own.models else seeds:
                    yield Run(
                        dataset=dataset, defense=defense, threat=threat, seed=seed
                    )
