"""One job at a time writes an output, also where a lost node lets an old copy run on."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline_steps.core.progress import say

CHANGES_NO_RESULT = True

SECONDS_BETWEEN_TRIES = 2.0


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Holds a lock that the system frees when this process ends, however it ends.

    A second copy of a job waits for the first, and is told that it waited. Where the
    file system knows no locks nobody waits, and outputs are still renamed into place
    whole.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        waited = not _locked(handle)
        if waited:
            say("another copy of this job is running; waiting for it to end")
            while not _locked(handle):
                time.sleep(SECONDS_BETWEEN_TRIES)
        yield waited
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        say(f"this file system knows no locks ({error}); going on without one")
    return True
