"""Two clones that publish in turn, and at once, each hold what they should."""

from pathlib import Path

import pytest
from release_checkout import Checkout, finished, succeeded

pytestmark = pytest.mark.xdist_group("release")

SILENT = "snakemake: nothing to be done"
WEIGHTS = Path("results/demo/checkpoints/defenses/digits/ijsat.safetensors")


def another_tau(checkout: Checkout, tau: float) -> None:
    """Another setting of one recipe, committed."""
    checkout.configure(
        "workflow/config/defenses.yaml", "defenses.ijsat.recipe.tau", tau
    )
    checkout.git("commit", "--quiet", "--all", "--message", f"Try tau = {tau}")


def test_a_recipe_changed_in_one_clone_arrives_in_the_other_and_goes_back(
    first: Checkout, tmp_path: Path
) -> None:
    old_bytes, old = first.large(), first.git("rev-parse", "HEAD").strip()
    second = first.clone(tmp_path / "second")
    succeeded(second.pull())
    kept = {digest: path.read_bytes() for digest, path in second.objects().items()}
    another_tau(second, 0.3)
    second.build()
    assert {d: second.objects()[d].read_bytes() for d in kept} == kept
    assert "published as commit" in succeeded(second.publish())
    assert second.large()[WEIGHTS] != old_bytes[WEIGHTS]
    assert second.git("status", "--porcelain") == ""

    first.git("pull", "--quiet", str(second.root))
    assert SILENT in succeeded(first.pull())
    assert first.large() == second.large()
    assert first.planned() == set()

    new = first.git("rev-parse", "HEAD").strip()
    for revision, expected in ((old, old_bytes), (new, second.large())):
        first.git("checkout", "--quiet", revision)
        assert SILENT in succeeded(first.pull())
        assert first.large() == expected
        assert first.planned() == set()


def test_two_clones_publish_different_results_to_one_remote_at_once(
    first: Checkout, tmp_path: Path
) -> None:
    clones = [first.clone(tmp_path / name) for name in ("second", "third")]
    verdict = "results/demo/verdicts/digits/normal/clean.parquet"
    for number, clone in enumerate(clones):
        succeeded(clone.pull())
        clone.edit(
            "pipeline_steps/threats/perturbations/nothing.py",
            r"return batch.images$",
            f"return batch.images * 0.{5 + number}",
        )
        clone.git("commit", "--quiet", "--all", "--message", "Judge dark images")
        clone.build()
    for process in [clone.start("publish") for clone in clones]:
        assert "published as commit" in succeeded(finished(process))
    for number, clone in enumerate(clones):
        reader = clone.clone(tmp_path / f"reader{number}")
        assert SILENT in succeeded(reader.pull())
        assert reader.large() == clone.large()
    second, third = (clone.large()[Path(verdict)] for clone in clones)
    assert second != third
