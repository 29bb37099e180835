"""The processes of a job: how they start, hear that they should stop, and end.

Where a job has several, torchrun starts them, and the job's own process waits. What
asks it to stop goes to them through a pipe, and whichever of them reads it first hears
it. Where the pipe ends, their job is gone, and they go as well.
"""

import os
import re
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline_steps.core.errors import Interrupted, PipelineError
from pipeline_steps.core.files import disk_is_full
from pipeline_steps.core.progress import say

CHANGES_NO_RESULT = True

# The prefix of the sentence in which a job fails.
ERROR = "error: "
INTERRUPTED = 75
# The exit status of a process that can't go on because another one ended.
LEFT_ALONE = 76
# How long before its limit a job stops: a number of seconds at least, and a share of
# the limit.
SMALLEST_MARGIN = 60.0
LIMIT_MARGIN = 0.02
# The polite signals, of schedulers and of people, that ask a job to save and stop.
STOPS = (signal.SIGTERM, signal.SIGUSR1)
# Where each of several processes leaves its last words, as `STATUS SENTENCE`.
LAST_WORDS = "PIPELINE_LAST_WORDS"


def mind_the_clock(clock: float, minutes: float | None) -> None:
    """A cluster kills a job at its time limit, so training saves and stops before it.

    Every job has a limit, but only PIPELINE_LIMITED makes it binding. `clock` is the
    job's start on the monotonic clock, which all processes of a machine share.
    """
    if minutes and os.environ.get("PIPELINE_LIMITED"):
        margin = max(SMALLEST_MARGIN, LIMIT_MARGIN * 60 * minutes)
        os.environ["PIPELINE_DEADLINE"] = str(clock + 60 * minutes - margin)


def one_of_several() -> bool:
    return LAST_WORDS in os.environ


def first() -> bool:
    """Whether this process is the one that prints and writes."""
    return not one_of_several() or os.environ["RANK"] == "0"


def facts() -> dict[str, int]:
    """Facts about the processes for the record, if there are several."""
    return {"processes": int(os.environ["WORLD_SIZE"])} if one_of_several() else {}


def peak_memory_mb() -> int:
    """The peak memory of this process; getrusage would also count its parent's past."""
    status = Path("/proc/self/status")
    peak = (
        re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    )
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return round((int(peak[1]) if peak else usage.ru_maxrss) / 1024)


def run_together(step: str, arguments: Sequence[str], count: int) -> None:
    """Runs a step to its end in several processes, which share its threads."""
    threads = int(os.environ.get("OMP_NUM_THREADS", "1")) // count
    # torch warns, from C++, of an option that `workers.shared` sets on purpose.
    usual = {"TORCH_CPP_LOG_LEVEL": "ERROR"}
    torchrun = [sys.executable, "-m", "pipeline_steps.core.torchrun", str(count)]
    together = subprocess.Popen(
        [*torchrun, f"pipeline_steps.{step}", *arguments],
        env=usual | os.environ | {"OMP_NUM_THREADS": str(max(threads, 1))},
        stdin=subprocess.PIPE,
        bufsize=0,
    )
    with together, _passed_on(together):
        status = together.wait()
    if status:
        sys.exit(status)


@contextmanager
def _passed_on(together: subprocess.Popen[bytes]) -> Iterator[None]:
    """Inside the `with` block, signals that ask this process to stop are passed on to
    those."""

    def pass_on(number: int, _: object) -> None:
        with suppress(BrokenPipeError):
            together.stdin.write(bytes([number]))  # type: ignore[union-attr]

    before = {number: signal.signal(number, pass_on) for number in STOPS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def listen() -> None:
    """From now on, listens for what is passed on to this process."""

    def hear() -> None:
        while heard := os.read(0, 1):
            os.kill(os.getpid(), heard[0])
        os._exit(LEFT_ALONE)

    threading.Thread(target=hear, daemon=True).start()


def end(error: Exception) -> None:
    """Ends in a sentence, or does nothing where only a traceback helps."""
    sentence = _sentence(error)
    status = INTERRUPTED if isinstance(error, Interrupted) else 1
    if sentence is None:
        if one_of_several() and _lost_another(error):
            sys.exit(LEFT_ALONE)
        return
    if one_of_several():
        # torchrun receives the sentences of all processes, and prints one of them.
        place = Path(os.environ[LAST_WORDS], os.environ["RANK"])
        place.write_text(f"{status} {sentence}", encoding="utf-8")
    else:
        say(sentence)
    sys.exit(status)


def _lost_another(error: Exception) -> bool:
    """Whether this is an error by which NCCL or gloo report that another process
    ended."""
    return type(error).__name__ == "DistBackendError" or "gloo" in str(error)


def _sentence(error: Exception) -> str | None:
    """The sentence that a user should read; `None` if only a traceback helps."""
    if isinstance(error, Interrupted):
        return str(error)
    if isinstance(error, PipelineError):
        return f"{ERROR}{error}"
    if disk_is_full(error):
        return (
            f"{ERROR}the disk is full; nothing of this job was kept; free some space and "
            "run the same command again"
        )
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return f"{ERROR}out of memory ({error}); ask for more, or use a smaller batch"
    return None
