"""A publication is whole, or it is refused in a sentence that says why."""

import re
from pathlib import Path

import pytest
from release_checkout import STORE, Checkout, overwrite, refused, succeeded

pytestmark = pytest.mark.xdist_group("release")

WEIGHTS = "results/demo/checkpoints/defenses/digits/at.safetensors"
ONE_MEGABYTE = 2**20


def untouched(checkout: Checkout) -> bool:
    """Whether nothing was published: no pointer, no object, no commit."""
    pointers = [
        *checkout.root.glob("data/*.dvc"),
        *checkout.root.glob("results/**/*.dvc"),
    ]
    commits = checkout.git("rev-list", "--count", "HEAD").strip()
    store = checkout.root.parent / STORE
    return not pointers and not store.exists() and commits == "1"


def test_jobs_that_are_left_to_run_are_named(unpublished: Checkout) -> None:
    path = "pipeline_steps/papers/tables.py"
    unpublished.append(path, "\n\nADDED = 1\n")
    unpublished.git("commit", "--quiet", "--all", "--message", "Another table")
    commits = unpublished.git("rev-list", "--count", "HEAD")
    said = refused(unpublished.publish())
    assert "would still run 2 jobs (make_table ijsat table1, make_report)" in said
    assert unpublished.git("rev-list", "--count", "HEAD") == commits
    assert not [*unpublished.root.glob("data/*.dvc")]


def test_other_changes_in_git_are_named(unpublished: Checkout) -> None:
    unpublished.append("pipeline_steps/core/rng.py", "\n# edited\n")
    (unpublished.root / "notes.txt").write_text("an idea\n")
    said = refused(unpublished.publish())
    assert "pipeline_steps/core/rng.py" in said
    assert "notes.txt" in said
    assert untouched(unpublished)


def test_a_file_that_differs_from_its_card_is_named(unpublished: Checkout) -> None:
    path = unpublished.root / WEIGHTS
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.unlink()  # it is a link into Snakemake's cache
    path.write_bytes(bytes(content))
    said = refused(unpublished.publish())
    assert f"nothing was published: {WEIGHTS}: does not match its card" in said
    assert untouched(unpublished)


def test_a_large_file_without_a_card_is_named(unpublished: Checkout) -> None:
    stray = Path(WEIGHTS).with_name("stray.safetensors")
    (unpublished.root / stray).write_bytes(b"of unknown origin")
    said = refused(unpublished.publish())
    assert f"nothing was published: {stray}: has no card" in said
    assert untouched(unpublished)


def test_a_scale_without_results_is_one_sentence(unpublished: Checkout) -> None:
    said = refused(unpublished.publish("--scale", "paper"))
    assert said == "error: there are no results of scale paper; run snakemake first"


def test_the_commit_holds_pointers_cards_and_records_and_no_large_file(
    first: Checkout,
) -> None:
    committed = first.git("show", "--name-only", "--format=", "HEAD").split()
    assert {
        "data/digits.dvc",
        "data/cards/digits.json",
        "results/demo/checkpoints.dvc",
        "results/demo/manifolds.dvc",
        "results/demo/verdicts.dvc",
        "results/demo/curves.dvc",
        "results/demo/cards/defenses/digits/at.json",
        "results/demo/cards/defenses/digits/at.record.json",
        "results/demo/papers/ijsat/table1.csv",
    } <= set(committed)
    assert [file for file in committed if file.startswith(".snakemake/metadata/")]
    assert not {str(file) for file in first.large()} & set(committed)
    assert all((first.root / f).stat().st_size < ONE_MEGABYTE for f in committed)


def test_publishing_leaves_git_clean_and_snakemake_silent(first: Checkout) -> None:
    assert first.git("status", "--porcelain") == ""
    assert first.planned() == set()


def test_publishing_again_makes_no_second_commit(first: Checkout) -> None:
    before = first.git("rev-parse", "HEAD")
    told = succeeded(first.publish())
    assert "all of it was published already" in told
    assert first.git("rev-parse", "HEAD") == before
    assert first.git("status", "--porcelain") == ""


def test_what_was_published_is_told_with_its_size(unpublished: Checkout) -> None:
    told = succeeded(unpublished.publish())
    assert "  results/demo/checkpoints\n" in told
    assert re.search(r"^\d+ files, \d+\.\d MB$", told, re.MULTILINE)
    commit = unpublished.git("rev-parse", "--short", "HEAD").strip()
    assert f"published as commit {commit}; share it with git push" in told


def test_links_into_snakemakes_cache_become_files_with_the_same_times(
    unpublished: Checkout,
) -> None:
    everything = (path for path in unpublished.root.rglob("*") if path.is_symlink())
    links = [path for path in everything if ".snakemake" not in path.parts]
    assert {path.suffix for path in links} >= {".safetensors", ".npy", ".json"}
    times = {path: path.stat().st_mtime_ns for path in links}
    succeeded(unpublished.publish())
    assert not [path for path in links if path.is_symlink()]
    assert {path: path.stat().st_mtime_ns for path in links} == times
    assert unpublished.planned() == set()
    done = unpublished.run("--dry-run", "--cache")
    assert "Nothing to be done" in done.stdout + done.stderr
    assert unpublished.git("status", "--porcelain") == ""


def test_a_damaged_object_in_the_cache_is_no_obstacle(first: Checkout) -> None:
    for path in first.objects().values():
        overwrite(path, path.read_bytes()[:-1] + b"?")
    succeeded(first.publish())
    assert first.git("status", "--porcelain") == ""
