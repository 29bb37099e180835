"""Freed memory stays with the process while it is told to keep it."""

import ctypes
import subprocess
import sys

import pytest

FAULTS = """
import resource

import numpy as np

from pipeline_steps.core.malloc import keep_freed_memory


def pages_cleared():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.empty(64 << 20, dtype=np.uint8).fill(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


for keep in (True, False):
    keep_freed_memory(keep)
    pages_cleared()
    print(pages_cleared())
"""


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallopt"), reason="this C library has no mallopt"
)
def test_a_block_that_is_asked_for_again_is_not_cleared_again():
    told = subprocess.run(
        [sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True
    )
    kept, given_back = map(int, told.stdout.split())
    assert kept < 16
    assert given_back > kept + 16
