"""A planned job: its settings, code, inputs and outputs."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from pipeline_steps import layout
from pipeline_steps.config.load import dataset_entry, load_config, scales
from pipeline_steps.config.scales import Resources
from pipeline_steps.core.digest import code, spec_text, text_digest
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.job_file import JobFile, place_of
from pipeline_steps.core.registry import ROOT, did_you_mean, nearest
from pipeline_steps.datasets.places import ENTRY, MIRROR
from pipeline_steps.jobs.inputs import InputFiles, Inputs
from pipeline_steps.jobs.specs import Specs
from pipeline_steps.jobs.wildcards import known_names, patterns, patterns_of

# The function that makes the specs of each rule's jobs.
SPEC_OF: Mapping[str, Callable[..., BaseModel]] = MappingProxyType(
    {
        "fetch_dataset": Specs.fetched,
        "build_dataset": Specs.source,
        "show_dataset": Specs.sheet,
        "corrupt_dataset": Specs.corruption,
        "train_flow": Specs.flow,
        "train_gan": Specs.gan,
        "project_dataset": Specs.manifold,
        "project_shard": Specs.manifold,
        "gather_manifold": Specs.manifold,
        "train_defense": Specs.defense,
        "adopt_defense": Specs.adopted,
        "attack_defense": Specs.attack,
        "attack_shard": Specs.attack,
        "gather_verdicts": Specs.attack,
        "explain_defense": Specs.attack,
        "attack_snapshots": Specs.curve,
        "make_table": lambda specs, *names: specs.pages.table(*names),
        "make_figure": lambda specs, *names: specs.pages.figure(*names),
        "calibrate": lambda specs, *names: specs.pages.calibration(*names),
        "check_claims": lambda specs, paper: specs.claims.of(paper),
        "gather_claims": lambda specs: specs.claims.all(),
        "make_report": Specs.report,
    }
)


class RuleJob:
    """One job of a rule; each property is computed once."""

    def __init__(self, planner: "Planner", rule: str, names: tuple[str, ...]) -> None:
        self.planner, self.result = planner, layout.RULES[rule]
        self.names = dict(zip(self.result.wildcards, names, strict=True))

    @cached_property
    def spec(self) -> dict[str, Any]:
        make = SPEC_OF[self.result.rule]
        return make(self.planner.specs, *self.names.values()).model_dump(mode="json")

    @cached_property
    def spec_digest(self) -> str:
        return text_digest(spec_text(self.spec))

    @cached_property
    def code(self) -> str:
        """The digest of all code that can change its result."""
        return code(self.result.step, self.spec).digest

    @cached_property
    def inputs(self) -> Inputs:
        """Its inputs, by the names that its step gives them."""
        files = self.planner.input_files
        return getattr(files, self.result.rule)(self.spec, **self.names)

    @cached_property
    def parts(self) -> dict[str, list[str]]:
        """The shards' files that it gathers, by role."""
        return self.planner.input_files.parts(self.result.rule, **self.names)

    @property
    def outputs(self) -> dict[str, str]:
        """Its outputs, by role."""
        names = {**self.names, "scale": self.planner.scale}
        return {
            role.format(**names): place.format(**names)
            for role, place in self.result.outputs.items()
        }

    @property
    def granted(self) -> Resources:
        return self.planner.granted(self.result.rule)

    @property
    def file(self) -> JobFile:
        """Everything that its step needs to know."""
        inputs: dict[str, list[str]] = {}
        for name, taken in self.inputs.items():
            if taken.files is not None:
                inputs[name] = taken.files
            if taken.cards is not None:
                inputs[f"{name}_card"] = taken.cards
        return JobFile(
            step=self.result.step,
            spec=self.spec,
            code=self.code,
            inputs=inputs,
            parts=self.parts,
            outputs=self.outputs,
            gpus=self.granted.gpus,
            environment=self._environment(),
        )

    def _environment(self) -> dict[str, str]:
        if self.result.rule not in ("fetch_dataset", "build_dataset"):
            return {}
        # The places of published files are not part of the spec, because where bytes
        # come from changes no result: a new mirror reruns nothing. The user's own
        # places come first.
        own = filter(None, [os.environ.get(MIRROR)])
        name = self.names["dataset"]
        known = self.planner.specs.config.datasets[name].places
        entry = dataset_entry(name, self.planner.scale, self.planner.root)
        return {MIRROR: ",".join([*own, *known]), ENTRY: entry}


class Planner:
    """The jobs of one scale."""

    def __init__(self, scale: str, root: Path = ROOT) -> None:
        self.scale, self.root = scale, root
        self.specs = Specs(load_config(scale, root))
        self.input_files = InputFiles(self.specs)
        self.known: dict[tuple[str, ...], RuleJob] = {}

    def job(self, rule: str, *names: str) -> RuleJob:
        """The job of these names; Snakemake asks for each several times."""
        key = (rule, *names)
        if key not in self.known:
            self.known[key] = RuleJob(self, rule, names)
        return self.known[key]

    def granted(self, rule: str) -> Resources:
        """The resources that the scale grants to each job of a rule."""
        table, result = self.specs.config.scale.resources, layout.RULES[rule]
        step = "default" if result.gathers else result.step.partition(".")[2]
        return table.get(step, table["default"])

    def that_makes(self, result: str) -> RuleJob:
        """The job that a path is a result of."""
        known, reasons = patterns(self.specs.config), []
        for kind, names in layout.kinds_of(result):
            scale = names.pop("scale", self.scale)
            allowed = {**known, **patterns_of(kind.rule, self.specs.config)}
            wrong = [
                key for key, n in names.items() if not re.fullmatch(allowed[key], n)
            ]
            if scale != self.scale:
                reasons.append(self._of_another(scale))
            elif wrong:
                names_known = known_names(self.specs.config, wrong[0], names)
                near = did_you_mean(names[wrong[0]], names_known)
                reasons.append(f"there is no {wrong[0]} '{names[wrong[0]]}'{near}")
            else:
                return self.job(kind.rule, *(names[key] for key in kind.wildcards))
        near = nearest(result, self._pages(), likeness=0.9)
        why = reasons[0] if reasons else f"no rule has results of such a name{near}"
        raise PipelineError(f"no job makes {result}: {why}")

    def no_such_target(self, target: str) -> str:
        """A sentence about a target that no job makes."""
        if "/" in target:
            try:
                self.that_makes(target)
            except PipelineError as error:
                return str(error)
            return f"no rule makes {target} at scale {self.scale}"
        papers = self.specs.config.papers
        pages = (f"{name}_{page}" for name in papers for page in papers[name].pages)
        near = nearest(target, ["all", *papers, *pages])
        known = (
            near or f"; name a page (`ijsat_table1`), a paper ({', '.join(papers)}), a "
        )
        return (
            f"there is no target '{target}'{known}{'' if near else 'file, or nothing'}"
        )

    def _of_another(self, scale: str) -> str:
        if scale in scales(self.root):
            return f"it is of another scale; add --config scale={scale}"
        return f"there is no scale '{scale}'{did_you_mean(scale, scales(self.root))}"

    def _pages(self) -> Iterator[str]:
        """The files of all papers' pages, of the claims and of the report."""
        for rule in ("gather_claims", "make_report"):
            yield from self.job(rule).outputs.values()
        for paper, config in self.specs.config.papers.items():
            for rule, names in (
                ("make_table", config.tables),
                ("make_figure", config.figures),
                ("calibrate", config.calibrations),
            ):
                for name in names:
                    yield from self.job(rule, paper, name).outputs.values()


@cache
def planner(scale: str, root: Path = ROOT) -> Planner:
    return Planner(scale, root)


def planned_for(result: str, scale: str) -> RuleJob:
    """The job that makes a result; the scale is that in its path, if it has one."""
    for _, names in layout.kinds_of(result):
        scale = names.get("scale", scale)
    return planner(scale).that_makes(result)


def write_job_file(job: RuleJob) -> None:
    """Writes the job's description for its step."""
    job.file.write(place_of(next(iter(job.outputs.values()))))
