"""Released models and manifolds, in three lines from any Python project.

    from robust_papers import load_defense

    model = load_defense("ijsat", "cifar10", repository="https://…", revision="v1")

Without a repository the files are those of this checkout; a repository that is a folder,
without a revision, is that working copy as it stands. Without a scale it is the largest
at which the thing was made. Either way each file is checked
against its card before it is opened, and nothing that could carry code is ever opened.
A card names networks of this project or of an installed plugin; with `trust=True` also
your own, as your own.yaml has it (SECURITY.md).
What a repository gave is kept in the user's cache folder, so that it is fetched once.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter
from torch import nn

from pipeline_steps import layout
from pipeline_steps.config.load import load_config, scales
from pipeline_steps.config.user_models import OWN_FILE, Own, OwnModel
from pipeline_steps.config.yaml_files import path_of, read
from pipeline_steps.core.arrays import read_array
from pipeline_steps.core.card import Card, read_card, verify
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.files import sha256, writing
from pipeline_steps.core.progress import say
from pipeline_steps.core.registry import ROOT, did_you_mean
from pipeline_steps.core.settings import Entry, kind_of
from pipeline_steps.core.tensors import read_tensors
from pipeline_steps.defenses.load import with_weights
from pipeline_steps.defenses.snapshots import best_of
from pipeline_steps.generators import generator as generators
from pipeline_steps.release.untrusted import (
    check_address,
    check_names,
    check_remotes,
    no_larger_than,
    registered,
)

NO_CARD = re.compile(r"^\.|\.record\.json$|\.csv$")
LARGEST_CARD = 1 << 24
# From the largest down; scales of another name come after these.
LARGEST_FIRST = ("paper", "small", "cores", "demo")


@dataclass(frozen=True)
class Manifold:
    """A data set on a generator's manifold, in the order of its images."""

    latents: np.ndarray
    projected: np.ndarray
    """What the generator shows of the images."""
    images: np.ndarray
    """The natural originals."""
    labels: np.ndarray
    card: Card


def load_defense(
    name: str,
    dataset: str,
    scale: str | None = None,
    repository: str | None = None,
    revision: str | None = None,
    *,
    trust: bool = False,
) -> nn.Module:
    """A network in eval mode that takes images in [0, 1], with the `card` of its training.

    A defense that has no training of its own, such as `atld+` with the weights of `atld-`,
    is found through the cards of its verdicts. With `trust` a model may be made by a
    function of your own that your own.yaml names, and the repository's DVC settings may be
    of any kind.
    """
    check_names(defense=name, dataset=dataset, scale=scale)
    names, spec = {"dataset": dataset, "defense": name}, {}
    with _source(repository, revision, trust) as source:
        path, verdicts = _cards_at(source, scale, *_cards_of_defense(**names))
        judged = sorted(source.cards(verdicts.parent))
        if judged and path.name not in source.names(path.parent):
            first = verdicts.with_name(judged[0])
            verdict = source.card(first)
            spec = verdict.spec
            path = verdict.input_files(first)["weights_card"][0]
        best = spec.get("weights") == "best"
        card = source.card(path)
        # Before any byte of its weights is fetched.
        described = (spec or card.spec).get("architecture")
        architecture = _known_network(described, card, path, name, trust)
        card, file = source.checked(path, "snapshots" if best else "weights")
        weights = best_of(file) if best else read_tensors(file)
        with no_larger_than(weights, path):
            model = with_weights(architecture, weights, file)
    model.card = card  # type: ignore[assignment]
    return model


def load_generator(
    name: str,
    dataset: str,
    scale: str | None = None,
    repository: str | None = None,
    revision: str | None = None,
    *,
    trust: bool = False,
) -> Any:
    """A trained generator with `encode`, `decode` and `sample`, and its `card`."""
    check_names(generator=name, dataset=dataset, scale=scale)
    with _source(repository, revision, trust) as source:
        place = _card("train_gan", dataset=dataset, generator=name)
        (path,) = _cards_at(source, scale, place)
        card = source.card(path)
        model = registered("generator", card.spec.get("model"), card, path)
        card, weights = source.checked(path, "weights")
        with no_larger_than(read_tensors(weights), path):
            trained: Any = generators.load_generator(model, weights)
    trained.card = card
    return trained


def load_manifold(
    generator: str,
    dataset: str,
    scale: str | None = None,
    repository: str | None = None,
    revision: str | None = None,
    split: str = "test",
    *,
    trust: bool = False,
) -> Manifold:
    """A data set's latents, with their images and labels."""
    check_names(generator=generator, dataset=dataset, scale=scale, split=split)
    names = {"dataset": dataset, "generator": generator, "split": split}
    with _source(repository, revision, trust) as source:
        (path,) = _cards_at(source, scale, _card("project_dataset", **names))
        card, latents = source.checked(path, "latents")
        _, projected = source.checked(path, f"{split}_images")
        data = card.input_files(path)["images_card"][0]
        _, images = source.checked(data, f"{split}_images")
        _, labels = source.checked(data, f"{split}_labels")
        return Manifold(
            latents=np.array(read_array(latents)),
            projected=np.array(read_array(projected)),
            images=np.array(read_array(images)),
            labels=np.array(read_array(labels)),
            card=card,
        )


@dataclass(frozen=True)
class ReleasedDefense:
    """A defense that `load_defense` can load, and its accuracies."""

    name: str
    dataset: str
    scale: str
    title: str
    accuracies: dict[str, float]
    """By the threat's name, in percent."""


def list_defenses(
    dataset: str | None = None,
    scale: str | None = None,
    repository: str | None = None,
    revision: str | None = None,
    *,
    trust: bool = False,
) -> list[ReleasedDefense]:
    """All defenses that can be loaded from a repository, or from this checkout."""
    check_names(dataset=dataset, scale=scale)
    with _source(repository, revision, trust) as source:
        return [
            ReleasedDefense(name, on, at, _title(name, at), _accuracies(source, cards))
            for at in _scales(source)
            for on, name, cards in _defenses(source, at)
            if dataset in (None, on) and scale in (None, at)
        ]


def _card(rule: str, **names: str) -> str:
    """Where a card lies, but for the scale."""
    return layout.card(rule, scale="{scale}", **names)


def _cards_of_defense(dataset: str, defense: str) -> tuple[str, str]:
    """The card of a defense's training, and of one of its verdicts."""
    names = {"dataset": dataset, "defense": defense}
    judged = _card("attack_defense", **names, threat="any")
    return _card("train_defense", **names), judged


def _defenses(
    source: "_Checkout | _Repository", scale: str
) -> Iterator[tuple[str, str, list[Path]]]:
    """Data set, name, and the cards of verdicts, of each defense of a scale."""
    trained, judged = (
        Path(card.format(scale=scale)).parent
        for card in _cards_of_defense("any", "any")
    )
    trained, judged = trained.parent, judged.parent.parent
    for dataset in sorted({*source.names(trained), *source.names(judged)}):
        folders = source.names(judged / dataset)
        names = {card.removesuffix(".json") for card in source.cards(trained / dataset)}
        for name in sorted({*names, *folders}):
            folder = judged / dataset / name
            yield dataset, name, [folder / card for card in source.cards(folder)]


def _accuracies(
    source: "_Checkout | _Repository", cards: list[Path]
) -> dict[str, float]:
    found = {path.stem: source.card(path).metrics.get("accuracy") for path in cards}
    return {
        threat: float(accuracy)
        for threat, accuracy in found.items()
        if accuracy is not None
    }


def _title(defense: str, scale: str) -> str:
    """What a defense is, if this version's config knows it."""
    known = load_config(scale if scale in scales() else "paper").defenses.defenses
    entry = known.get(re.split("[@+]best|@", defense)[0])
    return entry.title if entry else defense


def _scales(source: "_Checkout | _Repository") -> list[str]:
    """The scales that have results, from the largest down."""
    names = [n for n in source.names(Path(layout.RESULTS)) if not n.startswith(".")]
    order = {name: i for i, name in enumerate(LARGEST_FIRST)}
    return sorted(names, key=lambda name: (order.get(name, len(order)), name))


def _cards_at(
    source: "_Checkout | _Repository", scale: str | None, *cards: str
) -> list[Path]:
    """Cards at the scale that is asked for, or at the largest that has one of them."""

    def at(name: str) -> list[Path]:
        return [Path(card.format(scale=name)) for card in cards]

    known = _scales(source)
    made = [
        name
        for name in known
        if any(
            path.name in source.names(path.parent)
            or (path.stem == "any" and source.cards(path.parent))
            for path in at(name)
        )
    ]
    if scale is None and not known:
        raise PipelineError(
            f"nothing was released {source.where}: no folder "
            f"'{layout.RESULTS}' has anything in it; name a repository that has, as "
            'load_defense(…, repository="…")'
        )
    if scale in known and made and scale not in made:
        raise PipelineError(
            f"{cards[0].format(scale=scale)} was not published {source.where}; it was at "
            f"scale {' and '.join(repr(name) for name in made)}"
        )
    return at(scale or next(iter(made or known)))


@dataclass(frozen=True)
class _Checkout:
    """This very checkout as a source of files."""

    folder: Path

    def checked(self, card_path: Path, role: str) -> tuple[Card, Path]:
        """A card, and the file of one role once its bytes are what the card says."""
        file = _file_of(self.card(card_path), card_path, role)
        _refuse_outside(file, self.where)
        card = verify(self.folder / file, self.folder / card_path, role)
        return card, self.folder / file

    def card(self, card_path: Path) -> Card:
        _refuse_outside(card_path, self.where)
        if not (self.folder / card_path).is_file():
            raise _unknown(card_path, self.names, self.where)
        return read_card(self.folder / card_path)

    @property
    def where(self) -> str:
        return f"here, below {self.folder}"

    def names(self, folder: Path) -> list[str]:
        return [path.name for path in (self.folder / folder).glob("*")]

    def cards(self, folder: Path) -> list[str]:
        """The names of cards in a folder."""
        return _only_cards(self.names(folder))


@dataclass(frozen=True)
class _Repository:
    """A revision of a repository, through DVC: small files from Git, large from a remote."""

    name: str
    files: Any
    folder: Path
    """Where files are put down until they are known to be right."""

    def checked(self, card_path: Path, role: str) -> tuple[Card, Path]:
        card = self.card(card_path)
        file, facts = _file_of(card, card_path, role), card.outputs[role]
        _refuse_outside(file, self.where)
        digest = str(facts["sha256"])
        if not re.fullmatch("[0-9a-f]{64}", digest):  # it becomes the name of a file
            raise PipelineError(f"{card_path} of {self.name} holds no digest of {file}")
        size = self._size(file)
        if size not in (None, facts["bytes"]):
            raise PipelineError(
                f"{file} of {self.name} has {size:,} bytes where its card {card_path} says "
                f"{facts['bytes']:,}; it is not fetched"
            )
        kept = cache_folder() / digest
        if not (kept.is_file() and sha256(kept) == digest):
            fetched = self._fetched(file)
            if sha256(fetched) != digest:
                raise PipelineError(
                    f"{file} of {self.name} does not match its card {card_path}: it was "
                    "changed after it was published, and is not opened"
                )
            with writing(kept) as partial:
                shutil.copyfile(fetched, partial)
        return card, kept

    def card(self, card_path: Path) -> Card:
        _refuse_outside(card_path, self.where)
        if not self._looked_at(self.files.isfile, card_path):
            raise _unknown(card_path, self.names, self.where)
        size = self._size(card_path)
        if size is not None and size > LARGEST_CARD:
            raise PipelineError(f"{card_path} has {size:,} bytes, as no card has")
        return read_card(self._fetched(card_path))

    def _size(self, file: Path) -> int | None:
        """How large a file will be, if that is known before it is fetched."""
        try:
            size = self.files.info(str(file)).get("size")
        except Exception:  # to fetch it tells why
            return None
        return None if size is None else int(size)

    def _looked_at(self, look: Callable[[str], Any], path: Path) -> Any:
        try:
            return look(str(path))
        except Exception as error:  # as in `_fetched`
            raise PipelineError(
                f"{path} of {self.name} could not be looked at ({_reason(error)})"
            ) from error

    def _fetched(self, file: Path) -> Path:
        # Under a name of our own: a card of others may name any place.
        place = self.folder / f"file{len(list(self.folder.iterdir()))}"
        try:
            self.files.get_file(str(file), str(place))
        except Exception as error:  # every remote fails in an exception of its own
            raise PipelineError(
                f"{file} could not be fetched from the DVC remote of {self.name} "
                f"({_reason(error)}); check that the remote can be reached from here, "
                "and that the revision was pushed to it"
            ) from error
        return place

    @property
    def where(self) -> str:
        return f"in that revision of {self.name}"

    def names(self, folder: Path) -> list[str]:
        if not self._looked_at(self.files.isdir, folder):
            return []
        paths = self._looked_at(lambda path: self.files.ls(path, detail=False), folder)
        return [Path(path).name for path in paths]

    def cards(self, folder: Path) -> list[str]:
        """The names of cards in a folder."""
        return _only_cards(self.names(folder))


def _only_cards(names: list[str]) -> list[str]:
    return sorted(n for n in names if n.endswith(".json") and not NO_CARD.search(n))


def _refuse_outside(file: Path, where: str) -> None:
    """What a card names is a part of its own repository."""
    if file.is_absolute() or ".." in file.parts:
        raise PipelineError(f"{file}, which a card {where} names, lies outside of it")


def _file_of(card: Card, card_path: Path, role: str) -> Path:
    file = card.files(card_path).get(role)
    if file is None:
        raise PipelineError(f"{card_path} lists no '{role}'")
    return file


def _known_network(entry: Any, card: Card, path: Path, name: str, trust: bool) -> Entry:
    """A card's network, once nothing but code of this environment is needed to make it."""
    if not isinstance(entry, dict) or "factory" not in entry:
        return registered("architecture", entry, card, path)
    function = f"{entry['factory']!r} with {kind_of(entry.get('arguments'))}"
    if not trust:
        raise PipelineError(
            f"{path} says that {name} is made by a function, {function}, which would run "
            f"code; if it is your own, name it in {OWN_FILE}, and pass trust=True"
        )
    own = _own_models().get(name.partition("@")[0])
    said = (entry["factory"], entry.get("arguments"))
    if own is None or said != (own.factory, own.arguments):
        raise PipelineError(
            f"{path} says that {name} is made by {function}, and {OWN_FILE} here does not; "
            "a card alone is never believed in that"
        )
    say(f"{name} is made by {function}, as {OWN_FILE} has it")
    network = {key: entry.get(key) for key in ("factory", "arguments", "code")}
    if "inference" in entry:
        network["inference"] = registered("inference", entry["inference"], card, path)
    return network


def _own_models() -> dict[str, OwnModel]:
    """The user's own models by name, as the config here has them."""
    root = _here()
    if not path_of(root, "own").is_file():
        return {}
    return TypeAdapter(Own).validate_python(read(root, "own")).models


def _here() -> Path:
    """The checkout; what was installed from a wheel lies in none, and the user may."""
    return ROOT if (ROOT / layout.RESULTS).is_dir() else Path.cwd()


def _unknown(card_path: Path, names: Any, where: str) -> PipelineError:
    """The first word of a card's path that was not published, and the nearest that was."""
    folder = Path()
    for part in card_path.parts:
        known = {name for name in names(folder) if not NO_CARD.search(name)}
        if part not in known:
            word = part.removesuffix(".json")
            near = did_you_mean(word, {name.removesuffix(".json") for name in known})
            return PipelineError(
                f"{card_path} was not published {where}: there is no '{word}'{near}"
            )
        folder /= part
    return PipelineError(f"{card_path} was not published {where}")


def cache_folder() -> Path:
    """Where what was fetched or built for a user is kept, which nobody else can change.

    What lies there is checked before it is opened; between the two it must stay the same.
    """
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home) / "robust-papers"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    state = folder.stat()
    if state.st_uid != os.geteuid() or state.st_mode & 0o022:
        raise PipelineError(
            f"{folder} can be changed by others; make it yours alone (chmod go-w), or name "
            "another folder in XDG_CACHE_HOME"
        )
    return folder


def _reason(error: BaseException) -> str:
    """The first line of the innermost cause: DVC's own words often say only 'SCM error'."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextmanager
def _source(
    repository: str | None, revision: str | None, trust: bool
) -> Iterator[_Checkout | _Repository]:
    if repository is None:
        if revision is not None:
            raise PipelineError("a revision is one of a repository; name that too")
        yield _Checkout(_here())
        return
    check_address(repository, revision)
    try:
        from dvc.api import DVCFileSystem  # only here: a GPU machine may have no DVC
        from dvc.config import Config
    except ImportError:
        raise PipelineError(
            "a model of a repository is fetched by DVC, which is not installed; install "
            "it (pip install dvc), or load from a checkout"
        ) from None
    try:
        files = DVCFileSystem(repository, rev=revision)
        if not trust:  # the repository is opened here, and no remote is
            check_remotes(files.repo.config, Config(), repository)
        files.ls("/", detail=False)
    except PipelineError:
        raise
    except Exception as error:
        at = f" at {revision}" if revision else ""
        raise PipelineError(
            f"the repository {repository} could not be opened{at}: {_reason(error)}"
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        yield _Repository(repository, files, Path(folder))
