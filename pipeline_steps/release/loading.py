"""Released models and manifolds, in three lines from any Python project.

    from pipeline_steps.release.loading import load_defense

    model = load_defense("ijsat", "cifar10", repository="https://…", revision="v1")

Without a repository the files are those of this checkout. Either way each file is checked
against its card before it is opened, and nothing that could carry code is ever opened.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from pipeline_steps.core.card import Card, read_card, verify
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import ROOT
from pipeline_steps.core.tensors import read_array
from pipeline_steps.defenses.load import load_model
from pipeline_steps.generators.generator import load_generator


@dataclass(frozen=True)
class Manifold:
    """A data set on a generator's manifold: latents in the order of the test images."""

    latents: np.ndarray
    images: np.ndarray
    labels: np.ndarray
    card: Card


def load_defense(
    name: str,
    dataset: str,
    scale: str = "paper",
    repository: str | None = None,
    revision: str | None = None,
) -> nn.Module:
    """A trained network in eval mode on images in [0, 1], with its `card`."""
    path = Path(f"results/{scale}/cards/defenses/{dataset}/{name}.json")
    with _source(repository, revision) as source:
        card, weights = source.checked(path, "weights")
        model = load_model(card.spec["architecture"], weights)
    model.card = card  # type: ignore[assignment]
    return model


def load_released_generator(
    name: str,
    dataset: str,
    scale: str = "paper",
    repository: str | None = None,
    revision: str | None = None,
) -> Any:
    """A trained generator with `encode`, `decode` and `sample`, and its `card`."""
    path = Path(f"results/{scale}/cards/generators/{dataset}/{name}.json")
    with _source(repository, revision) as source:
        card, weights = source.checked(path, "weights")
        generator = load_generator(card.spec["model"], weights)
    generator.card = card
    return generator


def load_manifold(
    generator: str,
    dataset: str,
    scale: str = "paper",
    repository: str | None = None,
    revision: str | None = None,
) -> Manifold:
    """A data set's latents, with the images and labels that they belong to."""
    path = Path(f"results/{scale}/cards/manifolds/{dataset}/{generator}.json")
    data = Path(f"data/cards/{dataset}.json")
    with _source(repository, revision) as source:
        card, latents = source.checked(path, "latents")
        _, images = source.checked(data, "test_images")
        _, labels = source.checked(data, "test_labels")
        return Manifold(
            latents=np.array(read_array(latents)),
            images=np.array(read_array(images)),
            labels=np.array(read_array(labels)),
            card=card,
        )


@dataclass(frozen=True)
class _Source:
    """Where files come from: a folder, filled from a repository where there is one."""

    folder: Path
    files: Any = None

    def checked(self, card_path: Path, role: str) -> tuple[Card, Path]:
        """A card, and the file of one role once its bytes are what the card says."""
        self._bring(card_path)
        where = read_card(self.folder / card_path).files(card_path).get(role)
        if where is None:
            raise PipelineError(f"{card_path} says nothing of any '{role}'")
        self._bring(where)
        return verify(self.folder / where, self.folder / card_path, role), (
            self.folder / where
        )

    def _bring(self, path: Path) -> None:
        if self.files is None:
            return
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.files.get_file(str(path), str(place))
        except FileNotFoundError:
            raise PipelineError(
                f"{path} was not published in that revision of the repository"
            ) from None
        except Exception as error:  # every remote fails in an exception of its own
            raise PipelineError(f"{path} could not be fetched: {error}") from error


@contextmanager
def _source(repository: str | None, revision: str | None) -> Iterator[_Source]:
    if repository is None:
        if revision is not None:
            raise PipelineError("a revision is one of a repository; name that too")
        yield _Source(ROOT)
        return
    from dvc.api import DVCFileSystem  # only here: a GPU machine may have no DVC

    try:
        files = DVCFileSystem(repository, rev=revision)
    except Exception as error:
        raise PipelineError(
            f"the repository {repository} could not be opened: {error}"
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        yield _Source(Path(folder), files)
