"""Shards are runs of whole batches that cover everything once."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_steps.core.arrays import join_arrays, read_array, write_array
from pipeline_steps.core.digest import code
from pipeline_steps.core.registry import ROOT
from pipeline_steps.core.shards import Shard, cut
from pipeline_steps.layout import TABLE

COUNTS = st.integers(1, 40)


@given(items=st.integers(1, 300), batch=COUNTS, of=COUNTS)
def test_shards_cover_all_batches_once_and_in_order(items, batch, of):
    shards = [Shard(number=n, of=of).batches(items, batch) for n in range(1, of + 1)]
    assert [b for shard in shards for b in shard if b] == cut(items, batch)
    assert [i for batch in cut(items, batch) for i in batch] == list(range(items))


@given(items=st.integers(1, 300), batch=COUNTS, of=COUNTS)
def test_shards_are_as_even_as_can_be(items, batch, of):
    sizes = [
        sum(1 for rows in Shard(number=n, of=of).batches(items, batch) if rows)
        for n in range(1, of + 1)
    ]
    assert max(sizes) - min(sizes) <= 1
    assert sizes[0] > 0


def test_arrays_are_joined_in_order(tmp_path):
    parts = [np.arange(n * 3, dtype=np.float32).reshape(n, 3) for n in (2, 0, 4)]
    for i, part in enumerate(parts):
        write_array(tmp_path / f"{i}.npy", part)
    join_arrays([tmp_path / f"{i}.npy" for i in range(3)], tmp_path / "whole.npy")
    assert np.array_equal(read_array(tmp_path / "whole.npy"), np.concatenate(parts))


GATHERERS = ["evaluation.gather_verdicts", "manifolds.gather_manifold"]


@pytest.mark.parametrize(
    "step",
    [result.step for result in TABLE if result.gathers],
)
def test_a_gathered_result_has_the_code_of_its_shards(step):
    """So it is made again when that changes, though the shards themselves are gone."""
    gathering = {result.rule: result for result in TABLE if result.step == step}
    assert len(gathering) == 3, "as a whole, in shards, and gathered"
    modules = code(step, {}).modules
    parts = {name.rpartition(".")[2] for name in modules}
    assert parts & {"attack_images", "project_images"}
    assert parts & {"gather_verdicts", "gather_manifold"}


@pytest.mark.parametrize("step", GATHERERS)
def test_gathering_needs_no_torch(step):
    """It runs where snakemake runs, once for every evaluation."""
    asked = f"import sys, pipeline_steps.{step}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", asked], cwd=ROOT, check=True)
