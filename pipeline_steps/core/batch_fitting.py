"""Finds by trying how much fits into the device's memory at once."""

from collections.abc import Callable
from typing import TypeVar

import torch

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.progress import say

Result = TypeVar("Result")


class BatchFitter:
    """Works on the rows of a batch, in smaller pieces if memory runs out.

    The config's batch is the largest size tried, and the size that fits is kept for
    later batches. Results don't depend on it by more than rounding.
    """

    def __init__(self) -> None:
        self.widest: int | None = None

    def each(self, rows: range, work: Callable[[range], Result]) -> list[Result]:
        """The result of each piece, in order."""
        while True:
            wide = min(self.widest or len(rows), len(rows))
            try:
                return [work(piece) for piece in _cut(rows, wide)]
            except torch.OutOfMemoryError:
                self.widest = wide // 2
            # Outside the handler, because its exception keeps the tensors alive.
            if not self.widest:
                raise PipelineError(
                    "the device has too little memory for a single image; stop what "
                    "else runs on it, or request one with more"
                )
            torch.cuda.empty_cache()
            say(f"no memory for {wide} images at once; {self.widest} from now on")


def _cut(rows: range, wide: int) -> list[range]:
    """The rows in pieces. No rows are a piece too, because their result still needs its
    shape."""
    if not rows:
        return [rows]
    return [rows[start : start + wide] for start in range(0, len(rows), wide)]
