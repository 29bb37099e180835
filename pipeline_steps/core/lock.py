"""One job at a time writes an output, even if an old copy still runs on a lost node."""

import fcntl
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline_steps import layout
from pipeline_steps.core.digest import spec_text, text_digest
from pipeline_steps.core.progress import say

CHANGES_NO_RESULT = True

SECONDS_BETWEEN_TRIES = 2.0
# How often a waiting job repeats who holds the lock, and what to do if that machine is
# gone.
SECONDS_OF_PATIENCE = 600.0
# The names of unfinished outputs: a step's own, and those of `writing`.
UNFINISHED = re.compile(r"\.partial-\d+-(?P<name>.+)")
WRITTEN = re.compile(r"\.(?P<name>\.partial-\d+-.+)\.\w{8}")


def lock_of(outputs: Iterable[str]) -> Path:
    """The lock on which a second copy of a job with these outputs waits, on any
    machine."""
    return layout.LOCKS / text_digest(spec_text(sorted(outputs)))[:32]


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Holds a lock that the system frees when this process ends, however it ends.

    A second copy of a job waits for the first, and is told that it waited. On a file
    system without locks nobody waits, but outputs are still renamed into place whole.
    On some network file systems a lock outlives its machine; the user then deletes the
    file, which waiting jobs notice.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    since, waited = time.monotonic(), False
    while (handle := _taken(path)) is None:
        now = time.monotonic()
        if not waited:
            holder = _holder(path)
            say(f"another copy of this job is running, {holder}; waiting for it to end")
            waited = True
        elif now - since > SECONDS_OF_PATIENCE:
            say(
                f"still waiting for {_holder(path)}; if that machine is gone, delete "
                f"{path}, and this job goes on"
            )
            since = now
        time.sleep(SECONDS_BETWEEN_TRIES)
    try:
        with suppress(OSError):  # a full disk must not stop a job from taking the lock
            os.truncate(handle, 0)
            os.write(handle, myself().encode())
        yield waited
    finally:
        os.close(handle)


def myself() -> str:
    """Who holds a lock, and since when, as a person reads it."""
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    return f"process {os.getpid()} on {os.uname().nodename} since {since}"


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace") or "of unknown name"
    except OSError:
        return "of unknown name"


def _taken(path: Path) -> int | None:
    """The open lock; `None` if another process holds it, or it was deleted
    meanwhile."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if _locked(handle) and _is_still(path, handle):
            return handle
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)
    return None


def _is_still(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        say(f"this file system knows no locks ({error}); going on without one")
    return True


# ---- What killed jobs leave ------------------------------------------------------------


def sweep(root: Path, folders: Iterable[str] = (layout.DATA, layout.RESULTS)) -> int:
    """Removes what killed jobs were writing, if nobody holds their lock; returns how
    many files."""
    swept = 0
    for folder in folders:
        for path in sorted((root / folder).rglob(".*partial-*")):
            place = _place_of(path)
            if place and _is_nobodys(root, place.relative_to(root)):
                path.unlink(missing_ok=True)
                swept += 1
    return swept


def is_unfinished(path: Path) -> bool:
    """Whether a file is an unfinished output, or what was left of one."""
    return _place_of(path) is not None


def _place_of(path: Path) -> Path | None:
    """The final path of an unfinished output."""
    written = WRITTEN.fullmatch(path.name)
    match = UNFINISHED.fullmatch(written["name"] if written else path.name)
    return path.with_name(match["name"]) if match else None


def _is_nobodys(root: Path, place: Path) -> bool:
    """Whether no job that writes this file is running, on any machine."""
    kinds = list(layout.kinds_of(str(place)))
    jobs = [[at.format(**names) for at in k.outputs.values()] for k, names in kinds]
    locks = {root / lock_of(outputs) for outputs in jobs}
    return bool(locks) and all(map(_is_free, locks))


def _is_free(lock: Path) -> bool:
    """Whether nobody holds a lock; false on a file system without locks."""
    try:
        handle = os.open(lock, os.O_RDWR)
    except FileNotFoundError:
        # A job creates its lock first, so a missing one was deleted by the user.
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True
