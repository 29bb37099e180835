"""A released model loads in three lines from anywhere, and only if it is what was released."""

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_release import (
    ARCHITECTURE,
    CARD,
    GLOW,
    IMAGES,
    IMT,
    WEIGHTS,
    Release,
    card,
    commit,
    small_release,
    trained,
)
from torch import Tensor

from pipeline_steps.core.card import file_facts
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import ROOT
from pipeline_steps.core.tensors import write_tensors
from pipeline_steps.defenses.inferences.manifold_transformation import (
    ManifoldTransformation,
)
from pipeline_steps.release import loading
from pipeline_steps.release.loading import (
    list_defenses,
    load_defense,
    load_generator,
    load_manifold,
)
from pipeline_steps.threats.victim import Transformed

LINES = """
from robust_papers import load_defense
model = load_defense("at", "digits", {told})
import sys, torch
images = torch.rand(4, 3, 8, 8, generator=torch.manual_seed(0))
torch.save(model(images).detach(), sys.argv[1])
print(model.training, model.card.step)
"""
WITHOUT_DVC = "import sys\nsys.modules['dvc'] = sys.modules['dvc.api'] = None\n"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return small_release(tmp_path_factory.mktemp("release") / "project")


@pytest.fixture
def release(
    published: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Release:
    """A copy to be changed at will; what is fetched is kept in a folder of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "kept"))
    return published.copy(tmp_path / "copy")


@pytest.fixture
def three_lines(tmp_path: Path) -> Callable[..., tuple[str, Tensor]]:
    """Runs the three lines in a folder of another project."""

    def run(told: str, project: Path = ROOT, first: str = "") -> tuple[str, Tensor]:
        elsewhere, logits = tmp_path / "elsewhere", tmp_path / "logits.pt"
        elsewhere.mkdir(exist_ok=True)
        done = subprocess.run(
            [sys.executable, "-c", first + LINES.format(told=told), str(logits)],
            cwd=elsewhere,
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONPATH": str(project)},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip(), torch.load(logits, weights_only=True)

    return run


def test_three_lines_load_from_a_repository(
    release: Release, three_lines: Callable[..., tuple[str, Tensor]]
) -> None:
    told = f"scale='demo', repository={str(release.root)!r}"
    said, logits = three_lines(told)
    assert said == "False a.step"
    assert torch.equal(logits, trained(2)(IMAGES))
    _, logits = three_lines(f"{told}, revision={release.old!r}")
    assert torch.equal(logits, trained(1)(IMAGES))


def test_three_lines_load_from_the_checkout_without_dvc(
    release: Release, three_lines: Callable[..., tuple[str, Tensor]]
) -> None:
    for package in ("pipeline_steps", "robust_papers"):
        (release.root / package).symlink_to(ROOT / package)
    (release.root / "workflow").symlink_to(ROOT / "workflow")
    said, logits = three_lines("scale='demo'", release.root, WITHOUT_DVC)
    assert said == "False a.step"
    assert torch.equal(logits, trained(2)(IMAGES))


def test_a_repository_without_dvc_installed_is_one_sentence(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "dvc.api", None)
    with pytest.raises(PipelineError, match="pip install dvc"):
        load_defense("at", "digits", "demo", str(release.root))


@pytest.fixture(params=["checkout", "repository"])
def source(
    request: pytest.FixtureRequest, release: Release, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """The same release as a checkout, and as a repository whose bytes are remote."""
    if request.param == "checkout":
        monkeypatch.setattr(loading, "ROOT", release.root)
        return {"scale": "demo"}
    release.keep_remote_only()
    return {"scale": "demo", "repository": str(release.root)}


def test_a_generator_and_a_manifold_load_too(source: dict[str, Any]) -> None:
    generator = load_generator("glow", "digits", **source)
    assert generator.decode(generator.encode(IMAGES)).sub(IMAGES).abs().max() < 1e-4
    assert generator.card.spec["model"] == GLOW
    manifold = load_manifold("glow", "digits", **source)
    assert manifold.latents.shape == (2, 192)
    assert manifold.images.dtype == manifold.projected.dtype == np.uint8
    assert (manifold.projected == 1).all() and not manifold.images.any()
    assert manifold.labels.tolist() == [2, 1]
    assert manifold.card.outputs["latents"]["bytes"]


def test_a_defense_with_another_one_s_weights_answers_in_its_own_way(
    source: dict[str, Any],
) -> None:
    static = load_defense("atld-", "digits", **source)
    assert not isinstance(static, Transformed)
    moved = load_defense("atld", "digits", **source)
    expected = Transformed(static, ManifoldTransformation(**IMT))(IMAGES)
    assert torch.equal(moved(IMAGES), expected)
    assert not torch.equal(static(IMAGES), expected)
    assert moved.card == static.card
    assert not moved.training


@pytest.mark.parametrize(
    ("name", "dataset", "scale", "says"),
    [
        ("att", "digits", "demo", "no 'att'; did you mean 'at'"),
        ("at", "digit", "demo", "no 'digit'; did you mean 'digits'"),
        ("at", "digits", "dem", "no 'dem'; did you mean 'demo'"),
    ],
)
def test_an_unknown_name_gets_the_nearest(
    source: dict[str, Any], name: str, dataset: str, scale: str, says: str
) -> None:
    with pytest.raises(PipelineError) as caught:
        load_defense(name, dataset, **(source | {"scale": scale}))
    assert says in str(caught.value)


def tamper(path: Path) -> None:
    """Other bytes of the same size, whatever the permissions say."""
    path.chmod(0o644)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def stored(release: Release, file: Path) -> Path:
    """Where the remote keeps the bytes of a file."""
    content = file.read_bytes()
    objects = (path for path in release.store.rglob("*") if path.is_file())
    return next(path for path in objects if path.read_bytes() == content)


def test_a_tampered_file_is_refused_in_a_checkout(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "ROOT", release.root)
    tamper(release.root / WEIGHTS)
    with pytest.raises(PipelineError, match="does not match its card"):
        load_defense("at", "digits", "demo")


def test_a_tampered_object_of_the_remote_is_refused(release: Release) -> None:
    tamper(stored(release, release.root / WEIGHTS))
    release.keep_remote_only()
    repository = str(release.root)
    with pytest.raises(PipelineError, match=r"at\.safetensors"):
        load_defense("at", "digits", "demo", repository)
    older = load_defense("at", "digits", "demo", repository, release.old)
    assert torch.equal(older(IMAGES), trained(1)(IMAGES))


def test_a_pickle_with_a_fitting_card_is_refused(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "ROOT", release.root)

    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(release.root / "opened"),)

    (release.root / WEIGHTS).write_bytes(pickle.dumps(Evil()))
    card(release.root, CARD, {"architecture": ARCHITECTURE}, {}, {"weights": WEIGHTS})
    with pytest.raises(PipelineError, match="damaged or of another format"):
        load_defense("at", "digits", "demo")
    assert not (release.root / "opened").exists()


def test_bytes_are_fetched_once_and_again_if_what_was_kept_is_damaged(
    release: Release, tmp_path: Path
) -> None:
    release.keep_remote_only()
    told = ("at", "digits", "demo", str(release.root))
    load_defense(*told)
    (kept,) = (p for p in (tmp_path / "kept").rglob("*") if p.is_file())
    tamper(kept)
    assert torch.equal(load_defense(*told)(IMAGES), trained(2)(IMAGES))
    release.store.rename(tmp_path / "away")
    assert torch.equal(load_defense(*told)(IMAGES), trained(2)(IMAGES))


def test_bytes_that_were_never_pushed_are_one_sentence(
    release: Release, tmp_path: Path
) -> None:
    release.keep_remote_only()
    release.store.rename(tmp_path / "away")
    with pytest.raises(PipelineError, match="could not be fetched") as caught:
        load_defense("at", "digits", "demo", str(release.root))
    assert "\n" not in str(caught.value)


def test_a_card_of_others_can_not_place_a_file(
    release: Release, tmp_path: Path
) -> None:
    path = release.root / CARD
    digest = file_facts(release.root / WEIGHTS)["sha256"]
    path.write_text(path.read_text().replace(digest, "../../outside"))
    with pytest.raises(PipelineError, match="holds no digest"):
        load_defense("at", "digits", "demo", str(release.root))


@pytest.mark.parametrize(
    ("repository", "revision", "says"),
    [
        ("/nowhere/at/all", None, "could not be opened"),
        ("HERE", "no-such-tag", "could not be opened at no-such-tag: unknown"),
        (None, "v1", "a revision is one of a repository"),
    ],
)
def test_a_repository_that_is_not_there_is_one_sentence(
    release: Release, repository: str | None, revision: str | None, says: str
) -> None:
    place = str(release.root) if repository == "HERE" else repository
    with pytest.raises(PipelineError, match=says) as caught:
        load_defense("at", "digits", "demo", place, revision)
    assert "\n" not in str(caught.value)


def test_without_a_scale_it_is_the_largest_that_has_the_thing(
    release: Release, source: dict[str, Any]
) -> None:
    source = {**source, "scale": None}
    assert load_defense("at", "digits", **source).card.step == "a.step"
    assert load_generator("glow", "digits", **source).card.spec["model"] == GLOW
    weights, place = (path.replace("demo", "cores") for path in (WEIGHTS, CARD))
    (release.root / weights).parent.mkdir(parents=True)
    write_tensors(release.root / weights, trained(7).state_dict())
    card(release.root, place, {"architecture": ARCHITECTURE}, {}, {"weights": weights})
    commit(release.root)
    assert torch.equal(
        load_defense("at", "digits", **source)(IMAGES), trained(7)(IMAGES)
    )


def test_a_scale_without_the_thing_names_the_scales_that_have_it(
    release: Release, source: dict[str, Any]
) -> None:
    other = release.root / CARD.replace("demo", "cores").replace("at.json", "x.json")
    other.parent.mkdir(parents=True)
    shutil.copy(release.root / CARD, other)
    commit(release.root)
    with pytest.raises(PipelineError, match="it was at scale 'demo'"):
        load_defense("at", "digits", **{**source, "scale": "cores"})


def test_where_nothing_was_released_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PipelineError, match=r"name a repository that has, as load_def"):
        load_defense("at", "digits")
    assert list_defenses() == []


def test_defenses_are_listed_with_their_accuracies(
    release: Release, source: dict[str, Any]
) -> None:
    source = {key: source[key] for key in source if key != "scale"}
    listed = {d.name: d for d in list_defenses(**source)}
    assert set(listed) == {"at", "atld", "atld-"}
    assert {(d.dataset, d.scale) for d in listed.values()} == {("digits", "demo")}
    assert listed["at"].title.startswith("AT")
    assert listed["atld"].accuracies == {"clean": 12.5}
    assert not listed["at"].accuracies
    for each in listed.values():
        load_defense(each.name, each.dataset, each.scale, **source)
    assert list_defenses("cifar10", **source) == []
