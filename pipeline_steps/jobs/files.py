"""Where lies what a job takes: data sets, generators, and latents that were projected."""

from collections.abc import Callable
from typing import Any

from snakemake.io import ancient

from pipeline_steps.generators.spec import generators_in
from pipeline_steps.jobs.names import base, corruption
from pipeline_steps.jobs.specs import Specs

Wildcards = Any
Function = Callable[..., Any]


class Files:
    """The places of inputs, as functions of wildcards; a part of `Jobs`."""

    def data(self, split: str, what: str) -> Function:
        """Images or labels of a data set, wherever it lies."""
        return lambda w: ancient(f"{self._folder(w, split)[0]}.{what}.npy")

    def data_card(self, split: str) -> Function:
        return lambda w: self._folder(w, split)[1]

    def _folder(self, w: Wildcards, split: str) -> tuple[str, str]:
        """Where a split's files begin, and its card; on a manifold, the manifold's."""
        made = self.plan(w).config.datasets[base(w.dataset)].projected
        home = made.dataset if made else base(w.dataset)
        if bad := corruption(w.dataset):
            return f"data/{home}/corruptions/{bad}", f"data/cards/{home}.{bad}.json"
        if made is None or (split == "test" and made.test == "natural"):
            return f"data/{home}/{split}", f"data/cards/{home}.json"
        place = f"{home}/{made.generator}"
        cards = f"results/{w.scale}/cards/manifolds/{place}/{split}.json"
        return f"results/{w.scale}/manifolds/{place}/{split}", cards

    def watched(self, wildcards: Wildcards) -> list[str]:
        """The test images that a training looks at on its way, if it does."""
        monitor = self._spec("train_defense", wildcards)["monitor"]
        if monitor is None or monitor["of"] != "test":
            return []
        return [self.data("test", what)(wildcards) for what in ("images", "labels")]

    def told_watched(self, wildcards: Wildcards) -> str:
        """The same as a step is told of them."""
        card = self.data_card("test")(wildcards)
        roles = ("test_images", "test_labels")
        pairs = zip(roles, self.watched(wildcards), strict=False)
        return " ".join(f"{role}={path} {role}_card={card}" for role, path in pairs)

    def own_weights(self, wildcards: Wildcards) -> str:
        """The file of weights that the user brings."""
        model = wildcards.defense.partition("@")[0]
        # Its digest is in the spec, so its time says nothing.
        return ancient(self.plan(wildcards).config.own.models[model].weights)

    def generators(self, step: str) -> Function:
        """The weights of every generator that the job's spec names."""
        return lambda w: ancient(
            [
                f"results/{w.scale}/checkpoints/generators/{place}.safetensors"
                for place in self._generators(step, w)
            ]
        )

    def generator_cards(self, step: str) -> Function:
        return lambda w: [
            f"results/{w.scale}/cards/generators/{place}.json"
            for place in self._generators(step, w)
        ]

    def latents(self, step: str, split: str) -> Function:
        """Projected latents for every generator of the job that can't encode."""
        return lambda w: ancient(
            [
                f"results/{w.scale}/manifolds/{place}/{split}.latents.npy"
                for place in self._generators(step, w, approximate=True)
            ]
        )

    def latent_cards(self, step: str, split: str) -> Function:
        return lambda w: [
            f"results/{w.scale}/cards/manifolds/{place}/{split}.json"
            for place in self._generators(step, w, approximate=True)
        ]

    def _generators(
        self, step: str, w: Wildcards, approximate: bool = False
    ) -> list[str]:
        """The generators of a job, as they stand in paths."""
        plan = self.plan(w)
        named = generators_in(self._spec(step, w))
        return [
            f"{plan.home(base(w.dataset), name)}/{name}"
            for name in named
            if plan.is_approximate(name) or not approximate
        ]

    def features(self, step: str) -> Function:
        """The weights of the network by whose features a job compares images."""
        return lambda w: ancient([weights for weights, _ in self._features(step, w)])

    def feature_cards(self, step: str) -> Function:
        return lambda w: [card for _, card in self._features(step, w)]

    def _features(self, step: str, w: Wildcards) -> list[tuple[str, str]]:
        entry = self._typed(step, w).features
        if entry is None:
            return []
        if name := entry.get("published"):
            return [(f"data/{name}/archive", f"data/cards/{name}.archive.json")]
        place = f"{base(w.dataset)}/{entry['defense']}"
        folder = f"results/{w.scale}"
        return [
            (
                f"{folder}/checkpoints/defenses/{place}.safetensors",
                f"{folder}/cards/defenses/{place}.json",
            )
        ]

    def made(self, kind: str, place: str) -> Function:
        """A file of each table or figure that the scale makes, in the papers' order."""

        def files(wildcards: Wildcards) -> list[str]:
            return [
                place.format(scale=wildcards.scale, page=f"{paper.paper}/{page.name}")
                for paper in self._typed("make_report", wildcards).papers
                for page in getattr(paper, kind)
                if page.made
            ]

        return files

    def plan(self, wildcards: Wildcards) -> Specs:
        raise NotImplementedError

    def _spec(self, step: str, wildcards: Wildcards) -> dict[str, Any]:
        raise NotImplementedError

    def _typed(self, step: str, wildcards: Wildcards) -> Any:
        raise NotImplementedError
