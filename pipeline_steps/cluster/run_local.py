"""Runs the pipeline on this machine to its end, whatever fails on the way.

It can be interrupted at any moment, and the same command goes on.
"""

import signal
import subprocess
import sys
from collections.abc import Sequence

from pipeline_steps.cluster.launch import LOCK, only_controller, tell_others

SNAKEMAKE = [sys.executable, "-m", "snakemake"]


def run_local(arguments: Sequence[str]) -> int:
    """The exit status of a Snakemake that goes on with all that no failure touches."""
    with only_controller(LOCK) as lock:
        # No other run is alive, so any lock was left by a killed run.
        unlock = [*SNAKEMAKE, *arguments, "--unlock"]
        subprocess.run(unlock, capture_output=True, check=False)
        with subprocess.Popen(
            [*SNAKEMAKE, "--keep-going", *arguments], pass_fds=[lock.fileno()]
        ) as process:
            tell_others(lock, f"snakemake {process.pid}")
            try:
                return process.wait()
            except KeyboardInterrupt:
                process.send_signal(signal.SIGINT)
                process.wait()
                raise
