"""Runs a step from the command line: a job's file in, its outputs and card out.

    python -m pipeline_steps.defenses.train_defense JOB.json [--minutes 60] [--processes 2]

JOB.json is described in `core/job_file.py`; `python -m pipeline_steps RESULT` writes it.

Outputs are written beside their places and renamed together at the end, the card last;
a step that fails leaves nothing, and what an earlier run left stays as it was.
"""

import argparse
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from pipeline_steps.core import pace, processes
from pipeline_steps.core.card import (
    Card,
    code_facts,
    digests_of,
    file_facts,
    read_card,
    verify,
)
from pipeline_steps.core.digest import Code, code, spec_text, text_digest
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.files import read_json, write_json
from pipeline_steps.core.job_file import NO_GPU, ON_CPU, JobFile
from pipeline_steps.core.lock import alone, lock_of
from pipeline_steps.core.malloc import keep_freed_memory
from pipeline_steps.core.progress import say
from pipeline_steps.core.record import record, with_parts
from pipeline_steps.core.settings import first_error
from pipeline_steps.layout import UNFINISHED

CHANGES_NO_RESULT = True

Spec = TypeVar("Spec", bound=BaseModel)

INTERRUPTED = processes.INTERRUPTED


@dataclass
class Job(Generic[Spec]):
    """What a step works with: its settings, and where its files are."""

    step: str
    spec: Spec
    code: Code
    inputs: dict[str, list[Path]]
    places: dict[str, Path]
    parts: dict[str, list[Path]] = field(default_factory=dict)
    """What other jobs made of this one's work; how many they were changes nothing."""
    started: float = field(default_factory=time.time)
    clock: float = field(default_factory=time.monotonic)
    """When it started, by the clock that measures how long it takes."""
    start: float = field(default_factory=time.process_time)
    """What its process took to come here, in seconds of a processor."""

    def input(self, name: str) -> Path:
        return self.inputs[name][0]

    def verified(self, name: str, role: str) -> Path:
        """An input whose bytes are those that its card promises."""
        return self.all_verified(name, role)[0]

    def all_verified(self, name: str, role: str) -> list[Path]:
        """The same for any number of inputs of one name, none included."""
        named = (self.inputs.get(name, []), self.inputs.get(f"{name}_card", []))
        pairs = list(zip(*named, strict=True))
        for path, card in pairs:
            verify(path, card, role)
        return [path for path, _ in pairs]

    def output(self, role: str) -> Path:
        """Where to write an output for now; the suffix is that of its place."""
        place = self.places[role]
        place.parent.mkdir(parents=True, exist_ok=True)
        return place.with_name(f".partial-{os.getpid()}-{place.name}")

    @property
    def scratch(self) -> Path:
        """A folder for what this very job must find again if it is killed."""
        plain = self.spec.model_dump(mode="json")
        digests = [
            digest for files in self.input_digests().values() for digest in files
        ]
        facts = [self.step, plain, self.code.digest, digests]
        return UNFINISHED / text_digest(spec_text(facts))[:32]

    def input_digests(self) -> dict[str, list[str]]:
        return digests_of(self._input_facts())

    def _input_facts(self) -> dict[str, list[dict[str, Any]]]:
        """The facts of the inputs; a file that has a card is told by its card."""
        small = {k: v for k, v in self.inputs.items() if f"{k}_card" not in self.inputs}
        return {
            name: [file_facts(path) for path in paths] for name, paths in small.items()
        }

    @property
    def lock(self) -> Path:
        """What a second copy of this job, on any machine, waits for."""
        return lock_of(map(str, self.places.values()))

    def is_made(self) -> bool:
        """Whether all outputs lie in their places, made by this very job."""
        if not all(place.is_file() for place in self.places.values()):
            return False
        if "card" not in self.places:
            return False
        card = read_card(self.places["card"])
        own = self._card({}, {}).seen_from(self.places["card"].parent)
        same = (card.step, card.spec, card.code, card.inputs)
        if same != (own.step, own.spec, own.code, own.inputs):
            return False
        files = card.files(self.places["card"])
        return all(
            files.get(role) == Path(os.path.normpath(self.places[role]))
            and self.places[role].stat().st_size == card.outputs[role]["bytes"]
            for role in self._roles()
        )

    def finish(self, metrics: dict[str, Any]) -> None:
        """Write card and record, then move every output to its place."""
        if "card" in self.places:
            outputs = {
                role: file_facts(self.output(role), self.places[role])
                for role in self._roles()
            }
            card = self._card(outputs, metrics)
            card.seen_from(self.places["card"].parent).write(self.output("card"))
        if "record" in self.places:
            records = [read_json(path) for path in self.parts.get("record", [])]
            own = record(self.code, self.started, self.clock, self.start)
            write_json(self.output("record"), with_parts(own, records))
        for role in sorted(self.places, key=lambda role: role == "card"):
            with self.output(role).open("rb+") as file:
                os.fsync(file.fileno())
            self.output(role).replace(self.places[role])
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _roles(self) -> list[str]:
        return [role for role in self.places if role not in ("card", "record")]

    def _card(
        self, outputs: dict[str, dict[str, Any]], metrics: dict[str, Any]
    ) -> Card:
        return Card(
            step=self.step,
            spec=self.spec.model_dump(mode="json"),
            code=code_facts(self.code),
            inputs=self._input_facts(),
            outputs=outputs,
            metrics=metrics,
        )

    def remove_leavings(self) -> None:
        """Remove what killed copies of this job were writing; no copy of it lives."""
        for place in self.places.values():
            # the name that `output` gives, and what `writing` makes of it
            leaving = rf"\.partial-\d+-{re.escape(place.name)}"
            leaving = rf"{leaving}|\.{leaving}\.\w{{8}}"
            for path in place.parent.glob(".*"):
                if re.fullmatch(leaving, path.name):
                    path.unlink(missing_ok=True)

    def abandon(self) -> None:
        for role in self.places:
            self.output(role).unlink(missing_ok=True)


def run(
    step: str,
    spec_type: type[Spec],
    main: Callable[[Job[Spec]], dict[str, Any]],
    argv: Sequence[str] | None = None,
) -> None:
    """Parse the command line, do the step, and end in outputs or in one sentence."""
    job: Job[Spec] | None = None
    try:
        arguments = _arguments(step, argv)
        job = _job(step, spec_type, arguments.job)
        if processes.one_of_several():
            processes.listen()
            _work(job, main)
            return
        processes.mind_the_clock(job.clock, arguments.minutes)
        with alone(job.lock) as waited:
            job.remove_leavings()
            if waited and job.is_made():
                say("the other copy made the outputs of this job")
            elif arguments.processes > 1:
                processes.run_together(step, argv or sys.argv[1:], arguments.processes)
            else:
                _work(job, main)
    except Exception as error:
        processes.end(error)
        raise
    finally:
        if job:
            job.abandon()


def _work(job: Job[Spec], main: Callable[[Job[Spec]], dict[str, Any]]) -> None:
    """Every process of a job does its part, and the first one writes."""
    keep_freed_memory()
    pace.forget()
    metrics = main(job)
    if processes.first():
        job.finish(metrics)


def _arguments(step: str, argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m pipeline_steps.{step}")
    parser.add_argument("job", type=Path, help="the file that describes the job")
    parser.add_argument("--minutes", type=float, help="the job's time limit")
    parser.add_argument("--processes", type=int, default=1, help="one for each GPU")
    return parser.parse_args(argv)


def _job(step: str, spec_type: type[Spec], path: Path) -> Job[Spec]:
    file = JobFile.read(path)
    if file.step != step:
        raise PipelineError(f"{path} describes a job of {file.step}, not of {step}")
    try:
        spec = spec_type.model_validate(file.spec)
    except ValidationError as error:
        key, text = first_error(error, spec_type)
        where = f"{'.'.join(map(str, key))}: " if key else ""
        raise PipelineError(
            f"the settings in {path} do not fit {step}: {where}{text}"
        ) from None
    now = code(step, spec.model_dump(mode="json"))
    if file.code and file.code != now.digest:
        raise PipelineError(
            f"the code of {step} changed after this job was planned; run snakemake "
            "again, which plans with today's code"
        )
    os.environ.update(file.environment)
    if file.gpus and ON_CPU not in os.environ:
        _refuse_without_gpu(step)
    places = {role: Path(place) for role, place in file.outputs.items()}
    return Job(step, spec, now, _paths(file.inputs), places, _paths(file.parts))


def _refuse_without_gpu(step: str) -> None:
    """What takes an hour on a GPU takes weeks on a CPU, so nobody falls into it."""
    torch = sys.modules.get("torch")  # imported by each step that computes with it
    if torch and not torch.cuda.is_available():
        raise PipelineError(NO_GPU.format(what=step))


def _paths(files: Mapping[str, Sequence[str]]) -> dict[str, list[Path]]:
    return {name: [Path(file) for file in named] for name, named in files.items()}
