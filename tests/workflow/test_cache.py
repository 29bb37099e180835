"""The cache between checkouts serves what was made, and never one thing for another."""

from collections.abc import Callable
from pathlib import Path

import pytest
from workflow_house import House

pytestmark = pytest.mark.xdist_group("workflow")


def outputs(house: House) -> dict[str, Path]:
    """Every cached output, and where in the cache its bytes lie."""
    return {
        str(path.relative_to(house.root)): path.resolve()
        for folder in ("results", "data")
        for path in (house.root / folder).rglob("*")
        if path.is_symlink()
    }


def test_a_second_checkout_computes_nothing(
    tiny: Callable[[], House], tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    first, second = tiny(), tiny()
    for house in (first, second):
        house.build("--cache", SNAKEMAKE_OUTPUT_CACHE=str(cache))
    made, found = outputs(first), outputs(second)
    trained = "results/demo/checkpoints/defenses/digits/ijsat.safetensors"
    assert trained in made
    assert found == made, "each output of the second is the first one's, by its link"
    assert len(set(made.values())) == len(made), "no two jobs share a cache key"
    logs = "results/demo/logs/train_*/**/*.log"
    assert all(log.stat().st_size > 0 for log in first.root.glob(logs))
    assert all(log.stat().st_size == 0 for log in second.root.glob(logs))


def test_results_are_the_same_bytes_when_made_twice(
    tiny: Callable[[], House], tmp_path: Path
) -> None:
    first, second = tiny(), tiny()
    made = []
    for house in (first, second):
        house.build()
        made.append(
            {
                str(path.relative_to(house.root)): path.read_bytes()
                for folder in ("results/demo", "data")
                for path in (house.root / folder).rglob("*")
                if path.is_file()
                and not path.name.endswith(".record.json")
                and path.stem not in ("runs",)
                and "logs" not in path.parts
            }
        )
    assert made[0].keys() == made[1].keys()
    different = [name for name in made[0] if made[0][name] != made[1][name]]
    assert different == []
