"""Work that does not fit into memory is done in pieces, all of it and in order."""

import pytest
import torch

from pipeline_steps.core.batch_fitting import BatchFitter
from pipeline_steps.core.errors import PipelineError


def work_for(most):
    """Work on at most so many rows at once; it gives back what it was given."""

    def work(rows):
        if len(rows) > most:
            raise torch.OutOfMemoryError
        return list(rows)

    return work


@pytest.mark.parametrize("rows", [range(0), range(3, 4), range(5, 18)], ids=len)
@pytest.mark.parametrize("most", [1, 4, 100])
def test_all_rows_are_worked_on_in_order(rows, most):
    told = BatchFitter().each(rows, work_for(most))
    assert [row for piece in told for row in piece] == list(rows)
    assert all(len(piece) <= most for piece in told)


def test_what_fits_is_remembered():
    room, tried = BatchFitter(), []

    def work(rows):
        tried.append(len(rows))
        return work_for(3)(rows)

    room.each(range(10), work)
    assert tried == [10, 5, 2, 2, 2, 2, 2]
    tried.clear()
    room.each(range(4), work)
    assert tried == [2, 2]


def test_a_device_without_memory_for_one_is_told():
    with pytest.raises(PipelineError, match="too little memory for a single image"):
        BatchFitter().each(range(8), work_for(0))
