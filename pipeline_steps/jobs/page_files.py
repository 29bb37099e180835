"""Where lies what the pages of papers show: verdicts, panels, curves, claims, cards."""

from collections.abc import Iterable

from snakemake.io import ancient

from pipeline_steps.jobs.files import Files, Function, Wildcards
from pipeline_steps.jobs.report_inputs import panels, place, shown
from pipeline_steps.papers.panels import KINDS
from pipeline_steps.papers.spec import Run


class PageFiles(Files):
    """The places of what pages take, as functions of wildcards; a part of `Jobs`."""

    def verdicts(self, step: str) -> Function:
        """The verdicts behind a table or the claims, in the order of its runs."""
        return lambda w: ancient(
            [
                f"results/{w.scale}/verdicts/{run}.parquet"
                for run in self._runs(w, self._typed(step, w).runs)
            ]
        )

    def verdict_cards(self, step: str) -> Function:
        return lambda w: [
            f"results/{w.scale}/cards/verdicts/{run}.json"
            for run in self._runs(w, self._typed(step, w).runs)
        ]

    def panels(self, wildcards: Wildcards) -> list[str]:
        """The file behind each panel of a figure."""
        folder = f"results/{wildcards.scale}"
        shown = self._panels(wildcards)
        return ancient([f"{folder}/{KINDS[w].file.format(name)}" for w, name in shown])

    def panel_cards(self, wildcards: Wildcards) -> list[str]:
        folder = f"results/{wildcards.scale}/cards"
        shown = self._panels(wildcards)
        return [f"{folder}/{KINDS[w].card.format(name)}.json" for w, name in shown]

    def manifold_cards(self, wildcards: Wildcards) -> list[str]:
        """The cards of the manifolds that the claims speak of."""
        return [
            f"results/{wildcards.scale}/cards/manifolds/{name}/test.json"
            for name in self._typed("check_claims", wildcards).manifolds
        ]

    def curves(self, wildcards: Wildcards) -> list[str]:
        """The curves of trainings that the claims speak of, in the order of their runs."""
        runs = self._runs(wildcards, self._typed("check_claims", wildcards).curves)
        return ancient([f"results/{wildcards.scale}/curves/{r}.parquet" for r in runs])

    def curve_cards(self, wildcards: Wildcards) -> list[str]:
        runs = self._runs(wildcards, self._typed("check_claims", wildcards).curves)
        return [f"results/{wildcards.scale}/cards/curves/{run}.json" for run in runs]

    def claims(self, place: str) -> Function:
        """The decided claims of each paper that has any; the place says which file."""
        return lambda w: [
            place.format(paper=paper, **w) for paper in self.plan(w).claiming
        ]

    def all_cards(self, wildcards: Wildcards) -> list[str]:
        """The card of every job whose result some table, figure or claim shows."""
        return [
            f"results/{wildcards.scale}/cards/{name}.json"
            for name in shown(self.plan(wildcards))
        ]

    def _runs(self, wildcards: Wildcards, runs: Iterable[Run]) -> list[str]:
        return [place(self.plan(wildcards), run) for run in runs]

    def _panels(self, wildcards: Wildcards) -> list[tuple[str, str]]:
        return panels(self.plan(wildcards), wildcards.paper, wildcards.figure)
