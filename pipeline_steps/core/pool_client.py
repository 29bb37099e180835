"""Runs a job in a worker of the pool, or in this process if there is no pool.

A worker is forked from a process that has imported the installed packages already
(`core/worker_pool.py`); its results are the same. This module imports little, because a
job with a worker starts nothing else.
"""

import os
import runpy
import signal
import socket
import sys

CHANGES_NO_RESULT = True

# The environment variable with the path of the pool's socket.
ADDRESS = "PIPELINE_POOL"
# Signals from people and schedulers are passed on to the worker.
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)


def main() -> None:
    address = os.environ.pop(ADDRESS, None)
    # The pool's libraries were started with one thread.
    if address and os.environ.get("OMP_NUM_THREADS") == "1":
        pool = _connected(address)
        if pool:
            _end_as(_in_worker(pool, sys.argv[1:]))
    run_job()


def run_job() -> None:
    """The job that the command line names, in this process."""
    runpy.run_module("pipeline_steps.run_job", run_name="__main__", alter_sys=True)


def _connected(address: str) -> socket.socket | None:
    pool = socket.socket(socket.AF_UNIX)
    try:
        pool.connect(address)
    except OSError:  # it ended, or is on another machine
        pool.close()
        return None
    return pool


def _in_worker(pool: socket.socket, words: list[str]) -> int:
    """Lets a worker do the job with this process's files, folder and environment;
    returns its wait status.

    If the client is killed, the pool kills its worker.
    """
    environment = [f"{name}={value}" for name, value in os.environ.items()]
    parts = (os.getcwd(), str(len(words)), *words, *environment)
    message = "\0".join(parts).encode("utf-8", "surrogateescape")
    socket.send_fds(pool, [len(message).to_bytes(8)], [0, 1, 2])
    pool.sendall(message)
    answer = pool.makefile()
    worker = answer.readline()
    if worker:
        for number in PASSED_ON:
            signal.signal(number, lambda number, _: os.kill(int(worker), number))
    status = answer.readline()
    if not status:
        sys.exit("error: the pool of workers ended; run the same command again")
    return int(status)


def _end_as(status: int) -> None:
    """Ends as the worker did, killed by the same signal if it was."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    sys.exit(os.waitstatus_to_exitcode(status))
