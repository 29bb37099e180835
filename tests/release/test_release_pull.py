"""A clone that pulled holds the release, knows that it does, and has nothing to run."""

import os
import random
import time
from pathlib import Path

import pytest
from release_checkout import Checkout, refused, succeeded

from pipeline_steps.core.card import Card
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.release.checkout import record_of
from pipeline_steps.release.pull import chosen

pytestmark = pytest.mark.xdist_group("release")

DEFENSES = "results/demo/checkpoints/defenses/digits"
AT = {Path(f"{DEFENSES}/at.safetensors"), Path(f"{DEFENSES}/at.snapshots.safetensors")}
SILENT = "snakemake: nothing to be done"


def test_a_fresh_clone_gets_everything_checked(
    published: Checkout, clone: Checkout
) -> None:
    assert clone.large() == {}
    told = succeeded(clone.pull())
    assert clone.large() == published.large()
    assert f"{len(clone.large())} files" in told
    assert "each checked against its card" in told
    assert told.endswith(f"{SILENT}\n")
    assert clone.planned() == set()  # fails on a "missing metadata" message
    assert clone.git("status", "--porcelain") == ""


def test_the_times_of_files_mean_nothing(house: Checkout) -> None:
    shuffle, now = random.Random(0), time.time()
    for path in house.root.rglob("*"):
        if path.is_file() and ".git" not in path.parts:
            for follow in (True, False):  # a link's target, and the link itself
                moment = now - shuffle.randrange(10**6)
                os.utime(path, (moment, moment), follow_symlinks=follow)
    assert house.planned() == set()
    assert SILENT in succeeded(house.pull())


def test_pulling_again_changes_nothing(house: Checkout) -> None:
    before = house.large()
    succeeded(house.pull())
    assert house.large() == before


def test_one_defense_is_its_checkpoints(published: Checkout, clone: Checkout) -> None:
    told = succeeded(clone.pull("--defense", "at"))
    assert set(clone.large()) == AT
    assert "2 files" in told and SILENT in told


def test_a_defense_of_another_one_s_training_is_that_one_s_checkpoints() -> None:
    folder = Path("results/demo/cards")
    trained, other = (folder / f"defenses/digits/{n}.json" for n in ("atld-", "at"))
    verdict = folder / "verdicts/digits/atld+/clean.json"
    facts = [{"file": os.path.relpath(trained, verdict.parent)}]
    cards = {
        path: Card("a.step", {}, {}, {"weights_card": facts} if inputs else {}, {})
        for path, inputs in ((trained, False), (other, False), (verdict, True))
    }
    for name in ("atld+", "atld-"):
        assert set(chosen(None, cards, "demo", None, name, ())) == {trained}
    with pytest.raises(
        PipelineError, match=r"no defense 'atl\+'; did you mean 'atld\+'"
    ):
        chosen(None, cards, "demo", None, "atl+", ())


def test_one_path_is_the_files_of_its_card(clone: Checkout) -> None:
    wanted = Path("results/demo/verdicts/digits/at/clean.parquet")
    succeeded(clone.pull(str(wanted)))
    assert wanted in clone.large()
    assert {path.name.split(".")[0] for path in clone.large()} == {"clean"}


def test_a_folder_is_all_that_lies_below(published: Checkout, clone: Checkout) -> None:
    folder = Path("results/demo/manifolds")
    succeeded(clone.pull(str(folder)))
    below = {path for path in published.large() if folder in path.parents}
    assert set(clone.large()) == below


def test_one_paper_is_all_that_stands_behind_it(
    published: Checkout, clone: Checkout
) -> None:
    told = succeeded(clone.pull("--paper", "ijsat"))
    assert clone.large() == published.large()
    assert SILENT in told


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (["--paper", "ijsta"], "there is no paper 'ijsta'; did you mean 'ijsat'?"),
        (["--defense", "ta"], "there is no defense 'ta'; did you mean 'at'?"),
        (
            [f"{DEFENSES}/att.safetensors"],
            f"there is no published path '{DEFENSES}/att.safetensors'; "
            f"did you mean '{DEFENSES}/at.safetensors'?",
        ),
    ],
)
def test_a_wrong_name_is_told_the_nearest(
    clone: Checkout, asked: list[str], answered: str
) -> None:
    assert refused(clone.pull(*asked)) == f"error: {answered}"
    assert clone.large() == {}


def findings(checkout: Checkout) -> str:
    """What a pull that found something printed, its exit status being 1."""
    done = checkout.pull()
    assert done.returncode == 1
    assert "results are not as they were published" in done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def test_a_missing_record_is_named(house: Checkout) -> None:
    card = Path("results/demo/cards/defenses/digits/at.json")
    (house.root / record_of(card)).unlink()
    assert f"{card}: has no record in .snakemake/metadata" in findings(house)


def test_a_card_without_its_file_is_named(house: Checkout) -> None:
    card = house.root / "results/demo/cards/defenses/digits/at.json"
    other = card.with_name("other.json")
    other.write_text(card.read_text().replace("at.s", "other.s"))
    told = findings(house)
    assert f"{DEFENSES}/other.safetensors: is missing, and its card" in told


def test_a_file_without_a_card_is_named(house: Checkout) -> None:
    (house.root / "results/demo/cards/defenses/digits/normal.json").unlink()
    assert f"{DEFENSES}/normal.safetensors: has no card" in findings(house)


def test_results_that_were_never_published_stay(house: Checkout) -> None:
    new = house.root / DEFENSES / "mine.safetensors"
    new.write_bytes(b"a week of training")
    at = house.root / DEFENSES / "at.safetensors"
    at.unlink()
    told = findings(house)
    assert new.read_bytes() == b"a week of training"
    assert at.is_file(), "what was published comes all the same"
    assert f"{DEFENSES}/mine.safetensors: has no card" in told


def test_a_result_that_would_be_lost_is_named(house: Checkout) -> None:
    at = house.root / DEFENSES / "at.safetensors"
    at.unlink()
    at.write_bytes(b"trained anew")
    said = refused(house.pull())
    assert f"{DEFENSES}/at.safetensors would be lost" in said
    assert at.read_bytes() == b"trained anew"


def test_a_moved_checkout_is_whole_after_a_pull(
    clone: Checkout, tmp_path: Path
) -> None:
    succeeded(clone.pull())
    before = clone.large()
    clone.root.rename(tmp_path / "moved")
    moved = Checkout(tmp_path / "moved")
    assert SILENT in succeeded(moved.pull())
    assert moved.large() == before


def test_a_commit_without_a_release_is_one_sentence(
    published: Checkout, clone: Checkout
) -> None:
    clone.git("checkout", "--quiet", "HEAD~1")
    said = refused(clone.pull())
    assert "nothing of scale demo was published in this commit" in said
