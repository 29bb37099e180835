"""Runs the pipeline on this machine to its end, whatever fails on the way.

It shows how far the run is and each failure in one sentence, and ends with a list of both.
It can be interrupted at any moment, and the same command goes on.
"""

import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from pipeline_steps.cluster.launch import LOCK, only_controller, tell_others
from pipeline_steps.cluster.summary import Summary
from pipeline_steps.core.progress import SECONDS_BETWEEN_LINES, say

SNAKEMAKE = [sys.executable, "-m", "snakemake"]
# Of what Snakemake says, so many lines are shown where it ends without a failed job.
LAST_LINES = 30


def run_local(arguments: Sequence[str], root: Path) -> Summary:
    """One run of Snakemake that goes on with all that no failure touches."""
    with only_controller(LOCK) as lock:
        # No other run is alive, so a lock is one that a killed run has left.
        unlock = [*SNAKEMAKE, *arguments, "--unlock"]
        subprocess.run(unlock, capture_output=True, check=False)
        with subprocess.Popen(
            [*SNAKEMAKE, "--keep-going", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            pass_fds=[lock.fileno()],
        ) as process:
            tell_others(lock, f"snakemake {process.pid}")
            try:
                return _watched(process, root)
            except KeyboardInterrupt:
                process.send_signal(signal.SIGINT)
                process.wait()
                raise


def _watched(process: subprocess.Popen[str], root: Path) -> Summary:
    """Says how far it is, now and then, and each failure at once."""
    assert process.stdout is not None
    summary, last = Summary(), deque[str](maxlen=LAST_LINES)
    said = time.monotonic()
    for line in process.stdout:
        last.append(line)
        if failure := summary.read(line):
            say(f"failed: {failure.job}: {failure.sentence(root)}")
        if time.monotonic() - said >= SECONDS_BETWEEN_LINES and summary.total:
            say(f"{summary.done} of {summary.total} jobs done")
            said = time.monotonic()
    summary.status = process.wait()
    if summary.status and not summary.failed:
        print("".join(last), end="", file=sys.stderr)
    return summary
