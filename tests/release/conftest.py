"""One release is really made for all these tests; each works on copies and clones of it."""

import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from release_checkout import STORE, Checkout, settings, succeeded
from workflow_house import tiny_demo


@pytest.fixture(scope="session", autouse=True)
def own_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Git, DVC and SSH find no settings but these, and leave nothing elsewhere."""
    os.environ.update(settings(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout in which everything was run, with links into Snakemake's cache."""
    demo = tiny_demo(tmp_path_factory)
    checkout = Checkout.tracked(tmp_path_factory.mktemp("built") / "first")
    for made in ("data", "results", ".snakemake"):
        shutil.copytree(demo.root / made, checkout.root / made, symlinks=True)
    os.environ["SNAKEMAKE_OUTPUT_CACHE"] = str(demo.cache)
    return checkout


@pytest.fixture(scope="session")
def published(built: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout that was published to the folder beside it."""
    checkout = built.copy(tmp_path_factory.mktemp("published") / "first")
    succeeded(checkout.publish())
    return checkout


@pytest.fixture(scope="session")
def pulled(published: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A clone that holds all of the release."""
    clone = published.clone(tmp_path_factory.mktemp("pulled") / "clone")
    shutil.copytree(published.root.parent / STORE, clone.root.parent / STORE)
    succeeded(clone.pull())
    return clone


@pytest.fixture
def unpublished(built: Checkout, tmp_path: Path) -> Checkout:
    """A copy of what was built, to be published."""
    return built.copy(tmp_path / "first")


@pytest.fixture
def first(published: Checkout, tmp_path: Path) -> Checkout:
    """A copy of the published checkout, with a store of its own beside it."""
    shutil.copytree(published.root.parent / STORE, tmp_path / STORE)
    return published.copy(tmp_path / "first")


@pytest.fixture
def clone(published: Checkout, tmp_path: Path) -> Checkout:
    """A fresh clone, with a store of its own beside it; nothing is pulled yet."""
    shutil.copytree(published.root.parent / STORE, tmp_path / STORE)
    return published.clone(tmp_path / "clone")


@pytest.fixture
def house(pulled: Checkout, tmp_path: Path) -> Checkout:
    """A copy of a clone that pulled, to be changed at will."""
    return pulled.copy(tmp_path / "house")
