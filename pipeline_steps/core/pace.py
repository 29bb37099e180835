"""How fast a job's loop went, for its record: the seconds of each unit of its work.

The first unit of a kind also warms the device up, so it is left out where there are more.
What belongs to no unit, such as reading data, is in the job's seconds alone.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

CHANGES_NO_RESULT = True


@dataclass
class Kind:
    """A number of units of one kind, and how long they took."""

    done: int = 0
    first: float = 0.0
    others: float = 0.0

    @property
    def seconds_each(self) -> float:
        return self.others / (self.done - 1) if self.done > 1 else self.first


_kinds: dict[str, Kind] = {}


def _add(unit: str, seconds: float) -> None:
    kind = _kinds.setdefault(unit, Kind())
    if kind.done:
        kind.others += seconds
    else:
        kind.first = seconds
    kind.done += 1


class Stopwatch:
    """Gives the time since it was last started to units of work."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.since = time.monotonic()

    def lap(self, unit: str) -> None:
        """Records the time since the start as one unit of this kind."""
        _add(unit, time.monotonic() - self.since)
        self.start()

    @contextmanager
    def apart(self, unit: str) -> Iterator[None]:
        """Times the `with` block as a separate unit, not as part of the one around
        it."""
        begun = time.monotonic()
        yield
        seconds = time.monotonic() - begun
        _add(unit, seconds)
        self.since += seconds


def facts() -> dict[str, Any]:
    """The pace of this process so far, for the record; empty if no loop ran."""
    kinds = {
        unit: {"done": kind.done, "seconds_each": round(kind.seconds_each, 6)}
        for unit, kind in _kinds.items()
    }
    return {"pace": kinds} if kinds else {}


def forget() -> None:
    """Starts afresh for another job in this process."""
    _kinds.clear()
