"""What the rule files ask: the spec, the code and the files of each job, by wildcards."""

import os
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from snakemake.io import ancient

from pipeline_steps.config.load import load_config
from pipeline_steps.core.digest import code, spec_text
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import ROOT
from pipeline_steps.datasets.places import MIRROR
from pipeline_steps.defenses.spec import defenses_in
from pipeline_steps.generators.spec import FlowTraining, GanTraining
from pipeline_steps.jobs.files import Function, Wildcards
from pipeline_steps.jobs.names import BEST, base, origin
from pipeline_steps.jobs.networks import trained
from pipeline_steps.jobs.page_files import PageFiles
from pipeline_steps.jobs.specs import Specs
from pipeline_steps.jobs.wildcards import defenses_like, judged_on, patterns

# For each step its module, the method of Specs that makes its spec, and what it takes.
STEPS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "fetch_dataset": ("datasets", "fetched", ("dataset",)),
    "build_dataset": ("datasets", "source", ("dataset",)),
    "show_dataset": ("datasets", "sheet", ("dataset",)),
    "corrupt_dataset": ("datasets", "corruption", ("dataset", "corruption")),
    "train_flow": ("generators", "flow", ("dataset", "generator")),
    "train_gan": ("generators", "gan", ("dataset", "generator")),
    "project_dataset": (
        "manifolds",
        "manifold_shard",
        ("dataset", "generator", "split", "shard"),
    ),
    "gather_manifold": ("manifolds", "manifold", ("dataset", "generator", "split")),
    "train_defense": ("defenses", "defense", ("dataset", "defense")),
    "adopt_defense": ("defenses", "adopted", ("dataset", "defense")),
    "attack_defense": (
        "evaluation",
        "attack_shard",
        ("dataset", "defense", "threat", "shard"),
    ),
    "gather_verdicts": ("evaluation", "attack", ("dataset", "defense", "threat")),
    "explain_defense": ("evaluation", "attack", ("dataset", "defense", "threat")),
    "attack_snapshots": ("evaluation", "curve", ("dataset", "defense", "threat")),
    "make_table": ("papers", "table", ("paper", "table")),
    "make_figure": ("papers", "figure", ("paper", "figure")),
    "calibrate": ("papers", "calibration", ("paper", "calibration")),
    "check_claims": ("papers", "claims", ("paper",)),
    "gather_claims": ("papers", "all_claims", ()),
    "make_report": ("papers", "overview", ()),
}


@cache
def plan(scale: str, root: Path = ROOT) -> Specs:
    return Specs(load_config(scale, root))


class Jobs(PageFiles):
    """The functions of the rule files; rules without a scale of their own use `scale`."""

    def __init__(self, scale: str, gpus: str = "gpu", root: Path = ROOT) -> None:
        self.scale, self.gpus_as, self.root = scale, gpus, root
        if not re.fullmatch(r"gpu|gres(:\w+)?", gpus):
            raise PipelineError(
                f"config key 'gpus' is 'gpu', 'gres' or 'gres:MODEL', not '{gpus}'"
            )
        self.plan(None)

    def plan(self, wildcards: Wildcards) -> Specs:
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

    def trained_by(self, step: str) -> str:
        """A pattern of the generators that this step trains, and no other."""
        kind = {"train_flow": FlowTraining, "train_gan": GanTraining}[step]
        known = self.plan(None).config.generators.items()
        names = [re.escape(n) for n, g in known if isinstance(g.training, kind)]
        return "|".join(sorted(names)) or "none"

    def weights(self, wildcards: Wildcards) -> str:
        """The file of the weights that are judged: the best ones lie with the snapshots."""
        best = origin(wildcards.dataset, wildcards.defense)[1].endswith(BEST)
        return self.trained(f"{'.snapshots' if best else ''}.safetensors")(wildcards)

    def inception(self, wildcards: Wildcards) -> list[str]:
        """The file of Inception's weights, if the generator's entry names it."""
        config = self.plan(wildcards).config.generators[wildcards.generator]
        return [config.inception.file] if config.inception else []

    def sources(self, step: str) -> Function:
        """The weights of every other defense that the job's spec names."""
        return lambda w: ancient(
            [
                _trained("checkpoints", w, base(w.dataset), name, ".safetensors")
                for name in self._sources(step, w)
            ]
        )

    def source_cards(self, step: str) -> Function:
        return lambda w: [
            _trained("cards", w, base(w.dataset), name, ".json")
            for name in self._sources(step, w)
        ]

    def trained(self, suffix: str) -> Function:
        """A large file of the training behind the defense at hand."""
        return lambda w: ancient(_trained("checkpoints", w, *self._origin(w), suffix))

    def trained_card(self, wildcards: Wildcards) -> str:
        return _trained("cards", wildcards, *self._origin(wildcards), ".json")

    def _origin(self, wildcards: Wildcards) -> tuple[str, str]:
        """The training behind the defense at hand: on which data set, and its label."""
        home, label = origin(wildcards.dataset, wildcards.defense)
        return home, trained(self.plan(wildcards).config, label)

    def _sources(self, step: str, wildcards: Wildcards) -> Iterable[str]:
        named = defenses_in(self._spec(step, wildcards)["threat"])
        return [trained(self.plan(wildcards).config, name) for name in named]

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

    def targets(self, paper: str | None = None) -> list[str]:
        """What the scale makes of all papers, or all that it can make of one."""
        plan = self.plan(None)
        return [
            self.target(one, page)
            for one in ([paper] if paper else plan.config.papers)
            for page in plan.pages(one, named=paper is not None)
        ]

    def target(self, paper: str, page: str) -> str:
        """A table, a figure or a calibration, at the chosen scale."""
        known = self.plan(None).config.papers[paper]
        suffix = "png" if page in known.figures else "csv"
        return f"results/{self.scale}/papers/{paper}/{page}.{suffix}"

    @property
    def papers(self) -> dict[str, list[str]]:
        """The tables, figures and calibrations of each paper."""
        known = self.plan(None).config.papers
        return {name: paper.pages for name, paper in known.items()}

    def patterns(self) -> dict[str, str]:
        """For each wildcard a pattern that fits its known names and nothing else."""
        return patterns(self.plan(None).config, self.root)

    def judged_on(self) -> str:
        """What a defense may be judged on: data sets, and their corruptions."""
        return judged_on(self.plan(None).config.datasets)

    def trained_defenses(self) -> str:
        """Which defenses are trained here; others are adopted."""
        return defenses_like(self.plan(None).config.defenses.defenses)

    def adopted_models(self) -> str:
        return defenses_like(self.plan(None).config.own.models)

    def _typed(self, step: str, wildcards: Wildcards) -> Any:
        told = (getattr(wildcards, name) for name in STEPS[step][2])
        return _typed(self.plan(wildcards), step, *told)

    def _spec(self, step: str, wildcards: Wildcards) -> dict[str, Any]:
        return self._typed(step, wildcards).model_dump(mode="json")


def _trained(
    folder: str, wildcards: Wildcards, dataset: str, name: str, suffix: str
) -> str:
    """Where a training of this name on this data set has put a file."""
    return f"results/{wildcards.scale}/{folder}/defenses/{dataset}/{name}{suffix}"


@cache  # Snakemake asks for it several times: for inputs, parameters and code
def _typed(plan: Specs, step: str, *names: str) -> Any:
    return getattr(plan, STEPS[step][1])(*names)
