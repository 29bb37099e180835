"""Training that can be killed at any moment and ends in the same bytes.

The state has a separate folder, outside every declared output and named by the job's
digest, so that changed settings never continue from old weights. A checksum covers it
and
the files that its job keeps beside it; no job continues from what is damaged.
"""

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from pipeline_steps.core import workers
from pipeline_steps.core.errors import Interrupted, PipelineError
from pipeline_steps.core.processes import STOPS, first
from pipeline_steps.core.progress import Meter, say
from pipeline_steps.core.tensors import write_tensors

SECONDS_BETWEEN_SAVES = 60.0
# A reason to stop other than a signal; no signal of `STOPS` has this number.
TIME_LIMIT = 1
# How many bytes of a file are read at once for its checksum.
CHUNK = 2**20


class Damaged(Exception):
    """The folder doesn't contain what was saved there; the text says what is wrong."""


class Resume:
    """Counts the steps of a training run, and keeps its parts on disk between them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "state.safetensors"
        self.beside: dict[str, tuple[tuple[int, int], int]] = {}
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
                    if time.monotonic() >= self.deadline and step + 1 < total:
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
        tensors = {k: t.detach().cpu().contiguous() for k, t in tensors.items()}
        beside = json.dumps(self._checksums_beside())
        about = {"step": str(step), "frame": frame, "beside": beside}
        about["checksum"] = str(_checksum(tensors, about))
        write_tensors(self.file, tensors, about)

    def _checksums_beside(self) -> dict[str, int]:
        """Of each file that the job keeps beside its state; it is written once."""
        known, self.beside = self.beside, {}
        for path in self._files_beside():
            name, facts = str(path.relative_to(self.folder)), path.stat()
            written = (facts.st_size, facts.st_mtime_ns)
            before, checksum = known.get(name, (None, 0))
            if before != written:
                checksum = _checksum_of_file(path)
            self.beside[name] = written, checksum
        return {name: checksum for name, (_, checksum) in sorted(self.beside.items())}

    def _files_beside(self) -> Iterator[Path]:
        # A name with a dot is one that a killed job was still writing.
        for path in self.folder.rglob("*"):
            if path != self.file and path.is_file() and path.name[0] != ".":
                yield path

    def _restore(self, parts: Mapping[str, Any]) -> int:
        if not self.file.is_file():
            return 0
        tensors: dict[str, Tensor] = {}
        about: dict[str, str] = {}
        damage = ""
        try:
            tensors, about = self._whole()
        except Damaged as error:
            damage = str(error)
        # All processes of a job start at the same step.
        if workers.largest(int(bool(damage))):
            if damage and first():
                say(f"{self.file} is damaged ({damage}); this job starts anew")
                shutil.rmtree(self.folder, ignore_errors=True)
            workers.wait()
            return 0
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

    def _whole(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        """The state as it was saved, after checking it and the files beside it."""
        try:
            with safe_open(self.file, "pt") as file:
                about = dict(file.metadata() or {})
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, ValueError) as error:
            raise Damaged(str(error)) from error
        except OSError as error:
            if self.file.stat().st_size == 0:
                raise Damaged("it is empty") from error
            raise PipelineError(f"{self.file} could not be read: {error}") from error
        checksum = about.pop("checksum", "")
        if checksum != str(_checksum(tensors, about)):
            raise Damaged("its bytes are not those that were saved")
        for name, saved in json.loads(about["beside"]).items():
            path = self.folder / name
            if not path.is_file() or _checksum_of_file(path) != saved:
                raise Damaged(f"{name} beside it is not as it was saved")
        return tensors, about


def _checksum(tensors: Mapping[str, Tensor], about: Mapping[str, str]) -> int:
    """A checksum of the whole state: CRC32 finds every flipped bit and is the
    cheapest."""
    checksum = crc32(json.dumps(about, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        head = f"{name} {tensor.dtype} {list(tensor.shape)}"
        checksum = crc32(head.encode(), checksum)
        checksum = crc32(tensor.reshape(-1).view(torch.uint8).numpy().data, checksum)
    return checksum


def _checksum_of_file(path: Path) -> int:
    checksum = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            checksum = crc32(chunk, checksum)
    return checksum


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
