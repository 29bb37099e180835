"""What the rule files ask: the spec, the code and the files of each job, by wildcards."""

import os
import re
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from snakemake.io import ancient

from pipeline_steps.config.load import load_config
from pipeline_steps.config.pages import BEST
from pipeline_steps.config.resolve import Plan
from pipeline_steps.config.shown import panels, place, shown
from pipeline_steps.config.wildcards import defenses_like, patterns
from pipeline_steps.core.digest import code, spec_text
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import ROOT
from pipeline_steps.datasets.places import MIRROR
from pipeline_steps.defenses.spec import defenses_in
from pipeline_steps.generators.spec import generators_in
from pipeline_steps.papers.spec import Run

# For each step its module, the method of Plan that makes its spec, and what it takes.
STEPS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "fetch_dataset": ("datasets", "fetched", ("dataset",)),
    "build_dataset": ("datasets", "source", ("dataset",)),
    "show_dataset": ("datasets", "sheet", ("dataset",)),
    "corrupt_dataset": ("datasets", "corruption", ("dataset", "corruption")),
    "train_flow": ("generators", "flow", ("dataset", "generator")),
    "project_dataset": (
        "manifolds",
        "manifold_shard",
        ("dataset", "generator", "shard"),
    ),
    "gather_manifold": ("manifolds", "manifold", ("dataset", "generator")),
    "train_defense": ("defenses", "defense", ("dataset", "defense")),
    "adopt_defense": ("defenses", "adopted", ("dataset", "defense")),
    "attack_defense": (
        "evaluation",
        "attack_shard",
        ("dataset", "defense", "threat", "shard"),
    ),
    "gather_verdicts": ("evaluation", "attack", ("dataset", "defense", "threat")),
    "attack_snapshots": ("evaluation", "curve", ("dataset", "defense", "threat")),
    "make_table": ("papers", "table", ("paper", "table")),
    "make_figure": ("papers", "figure", ("paper", "figure")),
    "check_claims": ("papers", "claims", ()),
    "make_report": ("papers", "overview", ()),
}

Wildcards = Any
Function = Callable[..., Any]


@cache
def plan(scale: str, root: Path = ROOT) -> Plan:
    return Plan(load_config(scale, root))


class Jobs:
    """The functions of the rule files; rules without a scale of their own use `scale`."""

    def __init__(self, scale: str, gpus: str = "gpu", root: Path = ROOT) -> None:
        self.scale, self.gpus_as, self.root = scale, gpus, root
        if not re.fullmatch(r"gpu|gres(:\w+)?", gpus):
            raise PipelineError(
                f"config key 'gpus' is 'gpu', 'gres' or 'gres:MODEL', not '{gpus}'"
            )
        self.plan(None)

    def plan(self, wildcards: Wildcards) -> Plan:
        return plan(getattr(wildcards, "scale", self.scale), self.root)

    def spec(self, step: str) -> Function:
        """The job's settings as one line of JSON."""
        return lambda wildcards: spec_text(self._spec(step, wildcards))

    def code(self, step: str) -> Function:
        """The digest of all code that can shape the job's result."""
        module = f"{STEPS[step][0]}.{step}"
        return lambda wildcards: code(module, self._spec(step, wildcards)).digest

    def places(self, wildcards: Wildcards) -> str:
        """Where the files of a data set may lie, the user's own mirrors first."""
        known = self.plan(wildcards).config.datasets[wildcards.dataset].places
        return ",".join([*filter(None, [os.environ.get(MIRROR)]), *known])

    def resource(self, step: str, name: str) -> Function:
        """What the scale's table grants to jobs of this step."""

        return lambda wildcards: self._granted(step, name, wildcards)

    def growing(self, step: str, name: str) -> Function:
        """As `resource`, and as much again at each further attempt."""

        def granted(wildcards: Wildcards, attempt: int) -> int:
            return attempt * self._granted(step, name, wildcards)

        return granted

    def gpus(self, step: str) -> Function:
        """GPUs for clusters that are asked by `--gpus`."""
        asked = self.gpus_as == "gpu"
        return lambda w: self._granted(step, "gpus", w) if asked else 0

    def gres(self, step: str) -> Function:
        """GPUs for clusters that know them as `--gres` alone: `gpu:1`, `gpu:a100:1`."""

        def granted(wildcards: Wildcards) -> str:
            count = self._granted(step, "gpus", wildcards)
            if self.gpus_as == "gpu" or not count:
                return ""
            return f"{self.gpus_as.replace('gres', 'gpu', 1)}:{count}"

        return granted

    def _granted(self, step: str, name: str, wildcards: Wildcards) -> int:
        table = self.plan(wildcards).config.scale.resources
        return int(getattr(table.get(step, table["default"]), name))

    def weights(self, wildcards: Wildcards) -> str:
        """The file that holds a defense's weights: its best ones lie with the snapshots."""
        folder = f"results/{wildcards.scale}/checkpoints/defenses/{wildcards.dataset}"
        name = wildcards.defense.removesuffix(BEST)
        kept = ".snapshots" if name != wildcards.defense else ""
        return ancient(f"{folder}/{name}{kept}.safetensors")

    def weights_card(self, wildcards: Wildcards) -> str:
        name = wildcards.defense.removesuffix(BEST)
        folder = f"results/{wildcards.scale}/cards/defenses/{wildcards.dataset}"
        return f"{folder}/{name}.json"

    def generators(self, step: str) -> Function:
        """The weights of every generator that the job's spec names."""
        return lambda w: ancient(
            [
                f"results/{w.scale}/checkpoints/generators/{w.dataset}/{name}.safetensors"
                for name in generators_in(self._spec(step, w))
            ]
        )

    def generator_cards(self, step: str) -> Function:
        return lambda w: [
            f"results/{w.scale}/cards/generators/{w.dataset}/{name}.json"
            for name in generators_in(self._spec(step, w))
        ]

    def sources(self, step: str) -> Function:
        """The weights of every other defense that the job's spec names."""
        return lambda w: ancient(
            [
                f"results/{w.scale}/checkpoints/defenses/{w.dataset}/{name}.safetensors"
                for name in self._sources(step, w)
            ]
        )

    def source_cards(self, step: str) -> Function:
        return lambda w: [
            f"results/{w.scale}/cards/defenses/{w.dataset}/{name}.json"
            for name in self._sources(step, w)
        ]

    def _sources(self, step: str, wildcards: Wildcards) -> Iterable[str]:
        return defenses_in(self._spec(step, wildcards)["threat"])

    def shards(self, pattern: str) -> Function:
        """A file of each shard of a job; the pattern says where, by wildcards."""

        def files(wildcards: Wildcards) -> list[str]:
            config = self.plan(wildcards).config.scale.shards
            of = (
                config.threats.get(wildcards.threat, 1)
                if hasattr(wildcards, "threat")
                else config.generators.get(wildcards.generator, 1)
            )
            names = (f"{number}-of-{of}" for number in range(1, of + 1))
            return [pattern.format(shard=name, **wildcards) for name in names]

        return files

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
        places = {
            "curve": "curves/{}.parquet",
            "examples": "verdicts/{}.examples.safetensors",
            "manifold": "manifolds/{}.pictures.safetensors",
        }
        return ancient(
            [
                f"{folder}/{places[what].format(name)}"
                for what, name in self._panels(wildcards)
            ]
        )

    def panel_cards(self, wildcards: Wildcards) -> list[str]:
        folders = {"curve": "curves", "examples": "verdicts", "manifold": "manifolds"}
        return [
            f"results/{wildcards.scale}/cards/{folders[what]}/{name}.json"
            for what, name in self._panels(wildcards)
        ]

    def manifold_cards(self, wildcards: Wildcards) -> list[str]:
        """The cards of the manifolds that the claims speak of."""
        return [
            f"results/{wildcards.scale}/cards/manifolds/{name}.json"
            for name in self.plan(wildcards).claims().manifolds
        ]

    def targets(self, papers: Iterable[str] | None = None) -> list[str]:
        """Every table and figure of these papers, at the chosen scale."""
        known = self.plan(None).config.papers
        return [
            f"results/{self.scale}/papers/{paper}/{name}.{suffix}"
            for paper in (papers or known)
            for name, suffix in [
                *((table, "csv") for table in known[paper].tables),
                *((figure, "png") for figure in known[paper].figures),
            ]
        ]

    def all_cards(self, wildcards: Wildcards) -> list[str]:
        """The card of every job whose result some table, figure or claim shows."""
        return [
            f"results/{wildcards.scale}/cards/{name}.json"
            for name in shown(self.plan(wildcards))
        ]

    @property
    def papers(self) -> list[str]:
        return list(self.plan(None).config.papers)

    def patterns(self) -> dict[str, str]:
        return patterns(self.plan(None).config, self.root)

    def trained(self) -> str:
        """Which defenses are trained here; others are adopted."""
        return defenses_like(self.plan(None).config.defenses.defenses)

    def adopted(self) -> str:
        return defenses_like(self.plan(None).config.own.models)

    def watched(self, wildcards: Wildcards) -> list[str]:
        """The test images that a training looks at on its way, if it does."""
        monitor = self._typed("train_defense", wildcards).monitor
        if monitor is None or monitor.of != "test":
            return []
        folder = f"data/{wildcards.dataset}"
        return ancient([f"{folder}/test.images.npy", f"{folder}/test.labels.npy"])

    def told_watched(self, wildcards: Wildcards) -> str:
        """The same as a step is told of them."""
        card = f"data/cards/{wildcards.dataset}.json"
        roles = ("test_images", "test_labels")
        pairs = zip(roles, self.watched(wildcards), strict=False)
        return " ".join(f"{role}={path} {role}_card={card}" for role, path in pairs)

    def own_weights(self, wildcards: Wildcards) -> str:
        """The file of weights that the user brings."""
        model = wildcards.defense.partition("@")[0]
        # Its digest is in the spec, so its time says nothing.
        return ancient(self.plan(wildcards).config.own.models[model].weights)

    def _typed(self, step: str, wildcards: Wildcards) -> Any:
        told = (getattr(wildcards, name) for name in STEPS[step][2])
        return _typed(self.plan(wildcards), step, *told)

    def _spec(self, step: str, wildcards: Wildcards) -> dict[str, Any]:
        return self._typed(step, wildcards).model_dump(mode="json")

    def _runs(self, wildcards: Wildcards, runs: Iterable[Run]) -> list[str]:
        return [place(self.plan(wildcards), run) for run in runs]

    def _panels(self, wildcards: Wildcards) -> list[tuple[str, str]]:
        return panels(self.plan(wildcards), wildcards.paper, wildcards.figure)


@cache  # Snakemake asks for it several times: for inputs, parameters and code
def _typed(plan: Plan, step: str, *names: str) -> Any:
    return getattr(plan, STEPS[step][1])(*names)
