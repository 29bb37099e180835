"""The cache between checkouts serves what was made, and never one thing for another."""

from collections.abc import Callable
from pathlib import Path

import pytest
from workflow_house import House, TinyDemo

pytestmark = pytest.mark.xdist_group("workflow")


WHERE = "results/demo/"
# Each step that computes has a hand in these.
SOME = [
    f"{WHERE}verdicts/digits/ijsat/jsa50.parquet",
    *(f"{WHERE}papers/ijsat/figure{name}.png" for name in ("2", "-glow")),
]


def outputs(house: House) -> dict[str, Path]:
    """Every cached output, and where in the cache its bytes lie."""
    return {
        str(path.relative_to(house.root)): path.resolve()
        for folder in ("results", "data")
        for path in (house.root / folder).rglob("*")
        if path.is_symlink()
    }


def results(house: House) -> dict[str, bytes]:
    """The bytes of all that was made, without what tells of time and machine."""
    return {
        str(path.relative_to(house.root)): path.read_bytes()
        for folder in ("results/demo", "data")
        for path in (house.root / folder).rglob("*")
        if path.is_file()
        and not path.name.endswith(".record.json")
        and path.stem not in ("runs",)
        and "logs" not in path.parts
    }


def test_a_second_checkout_computes_nothing(
    made: TinyDemo, tiny: Callable[[], House]
) -> None:
    second = tiny()
    second.build("--cache", SNAKEMAKE_OUTPUT_CACHE=str(made.cache))
    first, found = outputs(made), outputs(second)
    trained = f"{WHERE}checkpoints/defenses/digits/ijsat.safetensors"
    assert trained in first
    assert found == first, "each output of the second is the first one's, by its link"
    assert len(set(first.values())) == len(first), "no two jobs share a cache key"
    logs = f"{WHERE}logs/train_*/**/*.log"
    assert all(log.stat().st_size > 0 for log in made.root.glob(logs))
    assert all(log.stat().st_size == 0 for log in second.root.glob(logs))


def test_results_are_the_same_bytes_when_made_twice(
    made: TinyDemo, tiny: Callable[[], House]
) -> None:
    second = tiny()
    second.build(*SOME)
    first, again = results(made), results(second)
    assert {*SOME} <= again.keys() <= first.keys()
    assert [name for name in again if again[name] != first[name]] == []
