"""Reads the config of one scale, and says in one sentence what is wrong with it."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pipeline_steps.config.checks import complaints
from pipeline_steps.config.datasets import Dataset
from pipeline_steps.config.defenses import Defenses
from pipeline_steps.config.generators import Generator
from pipeline_steps.config.paper_checks import paper_complaints
from pipeline_steps.config.papers import Paper
from pipeline_steps.config.plugin_files import check_plugins, with_plugins
from pipeline_steps.config.plugin_files import papers as paper_files
from pipeline_steps.config.scales import Scale
from pipeline_steps.config.schema import Config
from pipeline_steps.config.threats import ThreatConfig, with_families
from pipeline_steps.config.user_models import (
    Own,
    clashes,
    place_in_paper,
    with_datasets,
    with_rows,
)
from pipeline_steps.config.yaml_files import (
    Complaint,
    ConfigFiles,
    Place,
    config_file,
    config_folder,
    read,
)
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import ROOT, did_you_mean
from pipeline_steps.core.settings import PATTERNS, WORD, Word, first_error
from pipeline_steps.layout import RULES
from pipeline_steps.papers.names import Names


@cache
def load_config(scale: str, root: Path = ROOT) -> Config:
    """The config at one scale: read, merged, typed, and with every name known."""
    refuse_unknown_scale(scale, root)
    reader = _Reader(root, scale)
    files, own = reader.files, reader.own()
    check_plugins(files, own.plugins)
    papers = {
        _paper_name(file): reader.read(Paper, file) for file in paper_files(files)
    }
    datasets = reader.read(dict[Word, Dataset], "datasets")
    for complaint in clashes(own, datasets, papers):
        raise files.error(complaint)
    config = Config(
        name=scale,
        scale=reader.scale,
        datasets=with_datasets(datasets, own),
        generators=reader.read(dict[Word, Generator], "generators"),
        threats=with_families(reader.read(dict[Word, ThreatConfig], "threats")),
        defenses=reader.read(Defenses, "defenses"),
        papers=with_rows(papers, own),
        own=own,
        names=reader.read(Names, "names"),
    )
    for place, text in complaints(config):
        raise files.error(Complaint(files.written(place), text))
    for paper, key, whose, text in paper_complaints(config):
        place = place_in_paper(paper, key, own, papers)
        raise files.error(Complaint(place, text), whose)
    return config


def dataset_entry(name: str, scale: str, root: Path = ROOT) -> str:
    """Where the config has a data set: `workflow/config/own.yaml: line 2, datasets.x`."""
    files = ConfigFiles(root, scale)
    return files.where(files.written(Place("datasets", (name,))))


def scales(root: Path = ROOT) -> list[str]:
    return sorted(path.stem for path in (config_folder(root) / "scales").glob("*.yaml"))


def scale_titles(root: Path = ROOT) -> dict[str, str]:
    """What each scale is for, read and not checked."""
    raw = {name: read(root, f"scales/{name}") for name in scales(root)}
    return {name: str(scale.get("title", "")) for name, scale in raw.items()}


def refuse_unknown_scale(scale: str, root: Path = ROOT) -> None:
    names = scales(root)
    if scale not in names:
        raise PipelineError(f"there is no scale '{scale}'{did_you_mean(scale, names)}")


def trial_scales(root: Path = ROOT) -> list[str]:
    """The scales that cut every training short: they try out what another one does."""
    raw = {name: read(root, f"scales/{name}") for name in scales(root)}
    return [n for n, scale in raw.items() if (scale.get("training") or {}).get("steps")]


def _paper_name(file: str) -> str:
    """A paper's name, which is a target of Snakemake beside those of its rules."""
    name = Path(file).name
    if not re.fullmatch(WORD, name):
        text = f"{PATTERNS[WORD]}, not '{name}'"
    elif name in (*RULES, "all", "own"):
        text = f"'{name}' is a target of its own"
    else:
        return name
    raise PipelineError(f"{config_file(file)}: {text}; rename the file")


class _Reader:
    """The files of one scale; the scale's overrides are laid over the others."""

    def __init__(self, root: Path, scale: str) -> None:
        self.files = ConfigFiles(root, scale)
        self.scale: Scale = self._checked(
            Scale, self.files.scale, Place(self.files.scale_file)
        )

    def own(self) -> Own:
        """The user's own config, if there is any."""
        return self.read(Own, "own") if self.files.has_own else Own()

    def read(self, model: Any, name: str) -> Any:
        content = with_plugins(self.files, name)
        alone = self._checked(model, content, Place(name))
        overrides = self.files.overrides(name)
        where = Place(self.files.scale_file, ("overrides", name))
        for key_path, known in _unknown(content, overrides):
            text = f"there is no '{key_path[-1]}' to override"
            near = did_you_mean(str(key_path[-1]), known)
            raise self.files.error(Complaint(where.at(*key_path), f"{text}{near}"))
        if not overrides:
            return alone
        return self._checked(model, _merge(content, overrides), where)

    def _checked(self, model: Any, content: Any, where: Place) -> Any:
        """Plain values as typed models, or the first complaint."""
        try:
            return TypeAdapter(model).validate_python(content)
        except ValidationError as error:
            key, text = first_error(error, model)
            raise self.files.error(Complaint(where.at(*key), text)) from None


def _merge(base: Any, over: Any) -> Any:
    if not isinstance(base, Mapping) or not isinstance(over, Mapping):
        return over
    laid = {
        key: _merge(base[key], over[key]) if key in base else over[key] for key in over
    }
    return {**base, **laid}


def _unknown(
    base: Any, over: Any, inside: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Overrides of settings that don't exist, and the settings that do."""
    for key, value in over.items():
        if isinstance(value, Mapping):
            if key not in base:
                yield (*inside, key), [str(known) for known in base]
            elif isinstance(base[key], Mapping):
                yield from _unknown(base[key], value, (*inside, key))
