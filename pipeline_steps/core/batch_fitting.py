"""How much the device takes at once, found by trying."""

from collections.abc import Callable
from typing import TypeVar

import torch

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.progress import say

Result = TypeVar("Result")


class BatchFitter:
    """Work on rows of a batch: whole, or in smaller pieces where memory runs out.

    A batch in the config is then the most that is tried, and what fits is kept for the
    batches that follow. No result depends on it by more than rounding.
    """

    def __init__(self) -> None:
        self.widest: int | None = None

    def each(self, rows: range, work: Callable[[range], Result]) -> list[Result]:
        """What the work gives for each piece, in order."""
        while True:
            wide = min(self.widest or len(rows), len(rows))
            try:
                return [work(piece) for piece in _cut(rows, wide)]
            except torch.OutOfMemoryError:
                self.widest = wide // 2
            # Outside of the handler, whose exception holds on to the tensors.
            if not self.widest:
                raise PipelineError(
                    "the device has too little memory for a single image; stop what "
                    "else runs on it, or request one with more"
                )
            torch.cuda.empty_cache()
            say(f"no memory for {wide} images at once; {self.widest} from now on")


def _cut(rows: range, wide: int) -> list[range]:
    """The rows in pieces; none at all are a piece too, for the work tells their form."""
    if not rows:
        return [rows]
    return [rows[start : start + wide] for start in range(0, len(rows), wide)]
