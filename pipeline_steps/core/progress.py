"""A job's progress: a live bar on a terminal, plain lines with the time in a log
file."""

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

from pipeline_steps.core.pace import Stopwatch

CHANGES_NO_RESULT = True

SECONDS_BETWEEN_LINES = 10.0


class Meter:
    """Shows the steps done, with the latest numbers."""

    def __init__(self, title: str, total: int, shown: bool = True) -> None:
        self.title, self.total, self.shown = title, total, shown
        self.done = 0
        self.started = self.shown_at = time.monotonic()
        self.numbers: dict[str, float] = {}
        self.watch, self.unit = Stopwatch(), ""
        self.bar: Progress | None = None
        if shown and sys.stderr.isatty():
            self.bar = _live_bar()
            self.bar.start()
            self.task = self.bar.add_task(title, total=total, numbers="")

    def show(self, **numbers: float) -> None:
        """Sets the numbers shown beside the count from now on."""
        self.numbers.update(numbers)

    def begin(self, unit: str) -> None:
        """Marks the start of a unit of work."""
        self.unit = unit
        self.watch.start()

    def end(self) -> None:
        """Marks the unit's end, so that the record has its time."""
        self.watch.lap(self.unit)

    def at(self, done: int) -> None:
        self.done = done
        text = " ".join(f"{name} {value:.4g}" for name, value in self.numbers.items())
        if self.bar:
            self.bar.update(self.task, completed=done, numbers=text)
            return
        now = time.monotonic()
        late = now - self.shown_at >= SECONDS_BETWEEN_LINES
        if self.shown and (late or done >= self.total):
            self.shown_at = now
            say(f"{self.title}: {done}/{self.total} {text}".rstrip())

    def close(self) -> None:
        if self.bar:
            self.bar.stop()


def _live_bar() -> "Progress":
    # Imported here, because a job whose log is a file never shows a bar.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} {task.fields[numbers]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def counted(title: str, total: int, start: int = 0) -> Iterator[tuple[int, Meter]]:
    """The numbers from `start` to `total`, each reported when it is done."""
    meter = Meter(title, total)
    try:
        for i in range(start, total):
            yield i, meter
            meter.at(i + 1)
    finally:
        meter.close()


def say(line: str) -> None:
    """Prints a line with the time."""
    print(time.strftime("%H:%M:%S"), line, file=sys.stderr, flush=True)
