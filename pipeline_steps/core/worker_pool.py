"""Forked workers for local runs, so that jobs need not import torch again and again.

The pool is a process that imports the installed packages once, and forks itself for each
job. None of this project's own modules is imported before the fork: a worker reads them
from disk as any job does, so planned code is still the code that runs. The pool ends with
the process that started it, and asks its workers to save and stop.
"""

import ctypes
import gc
import importlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline_steps.core.pool_client import ADDRESS as ADDRESS
from pipeline_steps.core.pool_client import run_job

CHANGES_NO_RESULT = True

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)
# Fewer jobs than these are sooner done without a pool than it has started.
WORTH_A_POOL = 8
# What steps use of the installed packages, the slowest to import first.
PACKAGES = (
    *("torch", "torch._dynamo", "pandas", "pyarrow.parquet", "scipy.stats"),
    *("matplotlib.figure", "matplotlib.backends.backend_agg", "PIL.Image"),
    *("safetensors.torch", "pydantic", "rich.progress", "sklearn.datasets.data"),
)
KILLED_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


def start_pool(folder: Path) -> None:
    """Starts a pool whose workers find this project in `folder`; jobs are told of it."""
    address = Path(tempfile.mkdtemp(prefix="robust-papers-")) / "pool"
    command = [sys.executable, "-m", "pipeline_steps.core.worker_pool", str(address)]
    # In a session of its own, for Ctrl-C is meant for jobs, which pass it on. The pipe
    # is never written to: it ends when this process does, however it ends.
    subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | ONE_THREAD,
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    os.environ[ADDRESS] = str(address)


@dataclass
class Worker:
    """A forked job, and the connection to the client that waits for it."""

    pid: int
    client: socket.socket


class Pool:
    """Forks a worker for each client that connects, and tells it how the worker ended."""

    def __init__(self, address: Path) -> None:
        self.workers: dict[int, Worker] = {}
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(address))
        self.listener.listen(128)
        self.woken, waking = socket.socketpair()
        waking.setblocking(False)
        signal.set_wakeup_fd(waking.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.waking = waking
        self.selector = selectors.DefaultSelector()
        self._on(self.listener, self._accept)
        self._on(self.woken, self._reap)
        self._on(sys.stdin, self._end)
        self.ended = False

    def serve(self) -> None:
        while not self.ended or self.workers:
            for key, _ in self.selector.select():
                key.data()

    def _on(self, file: object, action: Callable[[], None]) -> None:
        self.selector.register(file, selectors.EVENT_READ, action)  # type: ignore[arg-type]

    def _accept(self) -> None:
        client, _ = self.listener.accept()
        try:
            head, files, _, _ = socket.recv_fds(client, 8, 3)
            words = _received(client, int.from_bytes(head))
        except (OSError, EOFError):  # it was killed meanwhile
            client.close()
            return
        pid = os.fork()
        if pid == 0:
            self._become_worker(files, words)
        for file in files:
            os.close(file)
        self.workers[pid] = Worker(pid, client)
        with suppress(OSError):
            client.sendall(b"%d\n" % pid)
        # A client says no more: it ends, or its connection does when it is killed.
        self._on(client, lambda: self._lose(pid))

    def _become_worker(self, files: list[int], words: list[str]) -> None:
        """Runs the job in this forked process, and never returns."""
        status = 1
        try:
            library = ctypes.CDLL(None)
            if hasattr(library, "prctl"):  # on Linux
                library.prctl(KILLED_WITH_PARENT, signal.SIGKILL)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self.selector.close()
            for end in (self.listener, self.woken, self.waking):
                end.close()
            for worker in self.workers.values():
                worker.client.close()
            for number, file in enumerate(files):
                os.dup2(file, number)
                os.close(file)
            status = _status_of(words)
        except BaseException:
            traceback.print_exc()
        finally:
            with suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)

    def _lose(self, pid: int) -> None:
        """A client was killed, and so its worker is."""
        self._forget(pid)
        os.kill(pid, signal.SIGKILL)

    def _forget(self, pid: int) -> None:
        worker = self.workers[pid]
        with suppress(KeyError, ValueError):
            self.selector.unregister(worker.client)
        worker.client.close()

    def _reap(self) -> None:
        with suppress(BlockingIOError):
            self.woken.recv(4096, socket.MSG_DONTWAIT)
        for pid in list(self.workers):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                with suppress(OSError):
                    self.workers[pid].client.sendall(b"%d\n" % status)
                self._forget(pid)
                del self.workers[pid]

    def _end(self) -> None:
        """The starter has ended: so do its jobs, and then the pool."""
        self.ended = True
        self.selector.unregister(sys.stdin)
        self.listener.close()
        for pid in self.workers:
            os.kill(pid, signal.SIGTERM)


def _received(client: socket.socket, length: int) -> list[str]:
    content = b""
    while len(content) < length:
        part = client.recv(length - len(content))
        if not part:
            raise EOFError
        content += part
    return content.decode("utf-8", "surrogateescape").split("\0")


def _status_of(words: list[str]) -> int:
    """The exit status of a job, run with its client's folder and environment."""
    folder, count = words[0], int(words[1])
    os.chdir(folder)
    os.environ.clear()
    for pair in words[2 + count :]:
        name, _, value = pair.partition("=")
        os.environ[name] = value
    sys.argv[:] = ["pipeline_steps", *words[2 : 2 + count]]
    try:
        run_job()
    except SystemExit as exit:
        if exit.code is None or isinstance(exit.code, int):
            return exit.code or 0
        print(exit.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
        signal.pause()  # another thread may be the one that it reaches
    return 0


def main() -> None:
    address = Path(sys.argv[1])
    try:
        pool = Pool(address)
        for package in PACKAGES:
            with suppress(ImportError):
                importlib.import_module(package)
        # Workers then share these pages: nothing in them is looked at for garbage.
        gc.collect()
        gc.freeze()
        pool.serve()
    finally:
        address.unlink(missing_ok=True)
        address.parent.rmdir()


if __name__ == "__main__":
    main()
