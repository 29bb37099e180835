"""Runs `snakemake --profile slurm` so that it can be started again whatever happened.

It refuses a second controller in the checkout, deals with jobs that a dead one left
behind, unlocks, checks that Snakemake has not lost its jobs, and prints a summary at
the end.
"""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from pipeline_steps.cluster.queue import cancel, counted, jobs_of
from pipeline_steps.cluster.summary import Summary
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.files import refuse_unwritable
from pipeline_steps.core.progress import say
from pipeline_steps.layout import LOCKS

LOCK = LOCKS / "launcher"
SECONDS_BETWEEN_LOOKS = 10.0
LAUNCHES = 5


@contextmanager
def only_controller(lock: Path) -> Iterator[IO[str]]:
    """Refuses to start beside another launcher of this checkout, or its Snakemake."""
    refuse_unwritable(Path.cwd())
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise PipelineError(
                f"another launcher runs in this checkout ({file.read().strip()}); wait "
                f"for it, or end it first; if its machine is gone, delete {lock}"
            ) from None
        tell_others(file, f"process {os.getpid()}")
        yield file


def tell_others(lock: IO[str], who: str) -> None:
    """Writes into the lock who holds it."""
    lock.truncate(0)
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    lock.write(f"{who} on {os.uname().nodename} since {since}")
    lock.flush()


def settle_orphans(folder: Path, how: str) -> None:
    """Waits for the jobs of a controller that died, or cancels them first.

    If started beside them, a new controller would submit the same jobs again.
    """
    orphans = jobs_of(folder)
    if not orphans:
        return
    say(f"jobs of an earlier controller are alive: {counted(orphans)}")
    if how == "cancel":
        cancel(orphans)
    while orphans := jobs_of(folder):
        say(f"waiting for them to end: {counted(orphans)}")
        time.sleep(SECONDS_BETWEEN_LOOKS)


def cancel_all(folder: Path) -> None:
    """Cancels what an interrupted controller leaves, because it cancels its jobs only
    sometimes.

    The executor knows of no jobs while it is checking them, and a second SIGINT, as a
    terminal and this launcher send, ends its scancel.
    """
    if jobs := jobs_of(folder):
        cancel(jobs)


@dataclass
class Watch:
    """Checks whether Snakemake's jobs still exist in SLURM."""

    folder: Path
    patience: float
    moved: float = field(default_factory=time.monotonic)

    def stir(self) -> None:
        """Notes that Snakemake printed something."""
        self.moved = time.monotonic()

    def is_stuck(self) -> bool:
        """Whether Snakemake has been silent for long while SLURM has no job of this
        checkout.

        The executor forgets its jobs if SLURM fails to answer several times in a row,
        and then waits forever.
        """
        if time.monotonic() - self.moved < self.patience:
            return False
        try:
            jobs = jobs_of(self.folder)
        except PipelineError as error:
            say(f"SLURM does not answer: {error}")
            jobs = None
        if jobs is None or jobs:
            self.stir()
            return False
        return True


def run_snakemake(
    arguments: Sequence[str], watch: Watch, summary: Summary, lock: IO[str]
) -> bool:
    """Runs one controller from start to end; false if it lost its jobs and was ended.

    It holds the lock too, because it may outlive this process.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--profile", "slurm", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        pass_fds=[lock.fileno()],
    ) as process:
        assert process.stdout is not None
        tell_others(lock, f"process {os.getpid()} and its snakemake {process.pid}")
        reader = threading.Thread(
            target=_relay, args=(process.stdout, watch, summary), daemon=True
        )
        reader.start()
        try:
            while not _ends(process, min(SECONDS_BETWEEN_LOOKS, watch.patience / 2)):
                if watch.is_stuck():
                    say("snakemake waits for jobs that SLURM does not have; ending it")
                    process.kill()
                    process.wait()
                    return False
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)  # it submits no more
            try:
                process.wait()
            finally:
                cancel_all(watch.folder)
            raise
        reader.join()
        summary.status = process.returncode
    return True


def _ends(process: subprocess.Popen[str], within: float) -> bool:
    try:
        process.wait(within)
    except subprocess.TimeoutExpired:
        return False
    return True


def _relay(stream: IO[str], watch: Watch, summary: Summary) -> None:
    for line in stream:
        print(line, end="", flush=True)
        watch.stir()
        summary.read(line)


def launch(arguments: Sequence[str], orphans: str, patience: float) -> Summary:
    """Runs controllers one after the other, until one ends by itself."""
    folder, summary = Path.cwd(), Summary()
    unlock = [sys.executable, "-m", "snakemake", "--profile", "slurm", "--unlock"]
    with only_controller(LOCK) as lock:
        for _ in range(LAUNCHES):
            settle_orphans(folder, orphans)
            subprocess.run([*unlock, *arguments], capture_output=True, check=False)
            if run_snakemake(arguments, Watch(folder, patience), summary, lock):
                return summary
    raise PipelineError(
        f"snakemake lost its jobs {LAUNCHES} times; check that slurmctld is healthy"
    )
