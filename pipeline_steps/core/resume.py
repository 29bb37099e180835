"""Training that can be killed at any moment and ends in the same bytes.

The state has a folder of its own, outside every declared output and named by the job's
digest, so that changed settings never continue from old weights.
"""

import json
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor

from pipeline_steps.core import workers
from pipeline_steps.core.errors import Interrupted, PipelineError
from pipeline_steps.core.processes import STOPS, first
from pipeline_steps.core.progress import Meter, say
from pipeline_steps.core.tensors import read_tensors, write_tensors

SECONDS_BETWEEN_SAVES = 60.0
# A reason to stop other than a signal; no signal of `STOPS` has this number.
TIME_LIMIT = 1


class Resume:
    """Counts the steps of a training run, and keeps its parts on disk between them."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "state.safetensors"
        self.every = float(
            os.environ.get("PIPELINE_SAVE_SECONDS", SECONDS_BETWEEN_SAVES)
        )
        self.deadline = float(os.environ.get("PIPELINE_DEADLINE", "inf"))

    def steps(
        self,
        parts: Mapping[str, Any],
        total: int,
        title: str,
        unit: str = "steps",
    ) -> Iterator[tuple[int, Meter]]:
        """The steps still to do; between two of them the state may be saved.

        A part is a list of plain numbers, or has `state_dict` and `load_state_dict`.
        The record says how long such a unit took; `meter.unit` may name another for a
        step.
        """
        start = self._restore(parts)
        meter = Meter(title, total, shown=first())
        saved = time.monotonic()
        with _signals() as stops:
            try:
                for step in range(start, total):
                    meter.begin(unit)
                    yield step, meter
                    meter.end()
                    meter.at(step + 1)
                    if time.time() >= self.deadline and step + 1 < total:
                        stops.append(TIME_LIMIT)
                    # All processes of a job stop after the same step, whichever got the signal.
                    reason = workers.largest(stops[0] if stops else 0)
                    if reason or time.monotonic() - saved >= self.every:
                        self._save(parts, step + 1)
                        saved = time.monotonic()
                    if reason:
                        workers.wait()
                        raise Interrupted(
                            f"{_named(reason)}: saved after step {step + 1} of {total}"
                        )
            finally:
                meter.close()

    def _save(self, parts: Mapping[str, Any], step: int) -> None:
        if not first():
            return
        tensors: dict[str, Tensor] = {}
        state = {name: _state(part) for name, part in parts.items()}
        frame = json.dumps(_pack(state, tensors, "state"))
        write_tensors(self.file, tensors, {"step": str(step), "frame": frame})

    def _restore(self, parts: Mapping[str, Any]) -> int:
        if not self.file.is_file():
            return 0
        tensors = read_tensors(self.file)
        with safe_open(self.file, "pt") as file:
            about = file.metadata() or {}
        try:
            state = _unpack(json.loads(about["frame"]), tensors)
            for name, part in parts.items():
                _load(part, state[name])
        except (KeyError, ValueError, RuntimeError) as error:
            raise PipelineError(
                f"{self.file} does not fit this run ({error}); delete its folder to "
                "start again"
            ) from error
        step = int(about["step"])
        if first():
            say(f"resumed after step {step}")
        return step


def _named(reason: int) -> str:
    if reason == TIME_LIMIT:
        return "the time limit is near"
    return signal.Signals(reason).name


def _state(part: Any) -> Any:
    return list(part) if isinstance(part, list) else part.state_dict()


def _load(part: Any, state: Any) -> None:
    if isinstance(part, list):
        part[:] = state
    else:
        part.load_state_dict(state)


def _pack(value: Any, tensors: dict[str, Tensor], name: str) -> Any:
    """Nested state as JSON; its tensors go into a dictionary of their own."""
    if isinstance(value, Tensor):
        tensors[name] = value
        return {"tensor": name}
    if isinstance(value, Mapping):
        pairs = [[k, _pack(v, tensors, f"{name}.{k}")] for k, v in value.items()]
        return {"pairs": pairs}
    if isinstance(value, Sequence) and not isinstance(value, str):
        items = [_pack(v, tensors, f"{name}.{i}") for i, v in enumerate(value)]
        return {"items": items}
    return value


def _unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        return tensors[value["tensor"]]
    if "items" in value:
        return [_unpack(item, tensors) for item in value["items"]]
    return {key: _unpack(item, tensors) for key, item in value["pairs"]}


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collects the signals that ask a job to stop."""
    stops: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: stops.append(number))
        for number in STOPS
    }
    try:
        yield stops
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
