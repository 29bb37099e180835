"""Reads the config of one scale, and says in one sentence what is wrong with it."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import TypeAdapter, ValidationError

from pipeline_steps.config.checks import complaints, config_file, config_folder
from pipeline_steps.config.datasets import Dataset
from pipeline_steps.config.defenses import Defenses
from pipeline_steps.config.generators import Generator
from pipeline_steps.config.paper_checks import KeyPath, paper_complaints
from pipeline_steps.config.papers import Paper
from pipeline_steps.config.plugin_files import (
    FILES,
    Origins,
    check_plugins,
    papers_of_plugins,
    refuse_twice,
    with_plugins,
)
from pipeline_steps.config.scales import Scale
from pipeline_steps.config.schema import Config
from pipeline_steps.config.threats import ThreatConfig, with_families
from pipeline_steps.config.user_models import Own, with_datasets, with_rows
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import ROOT, did_you_mean
from pipeline_steps.core.settings import Word, model_at, sentence
from pipeline_steps.papers.names import Names


@cache
def load_config(scale: str, root: Path = ROOT) -> Config:
    """The config at one scale: read, merged, typed, and with every name known."""
    names = scales(root)
    if scale not in names:
        raise PipelineError(f"there is no scale '{scale}'{did_you_mean(scale, names)}")
    reader = _Reader(root, scale)
    own = reader.own()
    check_plugins(own.plugins, config_file("own"))
    papers = reader.read_papers()
    config = Config(
        name=scale,
        scale=reader.scale,
        datasets=with_datasets(reader.read(dict[Word, Dataset], "datasets"), own),
        generators=reader.read(dict[Word, Generator], "generators"),
        threats=with_families(reader.read(dict[Word, ThreatConfig], "threats")),
        defenses=reader.read(Defenses, "defenses"),
        papers=with_rows(papers, own),
        own=own,
        names=reader.read(Names, "names"),
        origins=reader.origins,
    )
    for complaint in complaints(config):
        raise PipelineError(complaint)
    for paper, key_path, complaint in paper_complaints(config):
        file = "own" if paper == "own" else config.file("papers", paper)
        line = _line(root, file, key_path)
        raise PipelineError(f"{config_file(file)}: {line}, {complaint}")
    return config


def scales(root: Path = ROOT) -> list[str]:
    return sorted(path.stem for path in (config_folder(root) / "scales").glob("*.yaml"))


def scale_titles(root: Path = ROOT) -> dict[str, str]:
    """What each scale is for, read and not checked."""
    raw = {name: _yaml(root, f"scales/{name}") for name in scales(root)}
    return {name: str(scale.get("title", "")) for name, scale in raw.items()}


def trial_scales(root: Path = ROOT) -> list[str]:
    """The scales that cut every training short: they try out what another one does."""
    raw = {name: _yaml(root, f"scales/{name}") for name in scales(root)}
    return [n for n, scale in raw.items() if (scale.get("training") or {}).get("steps")]


class _Reader:
    """The files of one scale; the scale's overrides are laid over the others."""

    def __init__(self, root: Path, scale: str) -> None:
        self.root, self.name = root, f"scales/{scale}"
        self.origins: Origins = {}
        self.raw = _yaml(root, self.name)
        self.scale: Scale = _checked(Scale, self.raw, config_file(self.name))

    def own(self) -> Own:
        """What the user brings, if anything."""
        there = _path(self.root, "own").is_file()
        return self.read(Own, "own") if there else Own()

    def read(self, model: Any, name: str) -> Any:
        content = _yaml(self.root, name)
        if name in FILES:
            content, origins = with_plugins(name, content, partial(_yaml, self.root))
            self.origins |= origins
        alone = _checked(model, content, partial(self.file_of, name))
        overrides = (self.raw.get("overrides") or {}).get(name, {})
        where = f"{config_file(self.name)}: overrides.{name}"
        for key, known in _unknown(content, overrides):
            near = did_you_mean(key, known)
            raise PipelineError(f"{where}: there is no '{key}' to override{near}")
        return (
            _checked(model, _merge(content, overrides), where) if overrides else alone
        )

    def file_of(self, name: str, key_path: KeyPath) -> str:
        """The file that holds a place of what was read: the plugin's, if it is of one."""
        parts = key_path if name == "defenses" else (name, *key_path)
        section, entry = map(str, (*parts, "", "")[:2])
        return config_file(self.origins.get((section, entry), name))

    def read_papers(self) -> dict[str, Paper]:
        """This project's papers, and those of plugins."""
        own = sorted((config_folder(self.root) / "papers").glob("*.yaml"))
        papers = {p.stem: self.read_paper(f"papers/{p.stem}") for p in own}
        for file in papers_of_plugins():
            name = Path(file).name
            refuse_twice("papers", name, papers, file, self.origins)
            papers[name] = self.read_paper(file)
            self.origins["papers", name] = file
        return papers

    def read_paper(self, name: str) -> Paper:
        """A paper is hundreds of lines long, so what is wrong is told with its line."""

        def line(key_path: KeyPath) -> str:
            return _line(self.root, name, key_path)

        content = _yaml(self.root, name)
        return cast(Paper, _checked(Paper, content, config_file(name), line))


class _Yaml(yaml.CSafeLoader):
    """Refuses a key that stands twice: its first value would be lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:
        keys = [key.value for key, _ in node.value]
        for key, _ in node.value:
            if keys.count(key.value) > 1:
                raise yaml.YAMLError(f"the key '{key.value}' stands twice")
        return super().construct_mapping(node, deep)


def _path(root: Path, name: str) -> Path:
    return config_folder(root) / f"{name}.yaml"


def _yaml(root: Path, name: str) -> dict[str, Any]:
    path = _path(root, name)
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Yaml)
    except FileNotFoundError:
        raise PipelineError(f"{config_file(name)} is missing") from None
    except yaml.YAMLError as error:
        reason = str(error).replace("\n", " ")
        raise PipelineError(f"{config_file(name)} is not YAML: {reason}") from None
    if not isinstance(content, dict):
        raise PipelineError(f"{config_file(name)} should hold names with settings")
    return content


def _line(root: Path, name: str, key_path: KeyPath) -> str:
    """The line of a file on which a place begins, or the nearest one around it."""
    node = yaml.compose(_path(root, name).read_text("utf-8"), _Yaml)
    line = 0
    for part in key_path:
        if isinstance(node, yaml.MappingNode):
            inside = {
                key.value: (key.start_mark.line, value) for key, value in node.value
            }
        elif isinstance(node, yaml.SequenceNode):
            inside = {
                i: (item.start_mark.line, item) for i, item in enumerate(node.value)
            }
        else:
            break
        if part not in inside:
            break
        line, node = inside[part]
    return f"line {line + 1}"


def _merge(base: Any, over: Any) -> Any:
    if not isinstance(base, Mapping) or not isinstance(over, Mapping):
        return over
    laid = {
        key: _merge(base[key], over[key]) if key in base else over[key] for key in over
    }
    return {**base, **laid}


def _unknown(base: Any, over: Any) -> Iterator[tuple[str, list[str]]]:
    """Settings that are to lie over some that do not exist, and what does exist."""
    for key, value in over.items():
        if isinstance(value, Mapping):
            if key not in base:
                yield str(key), [str(known) for known in base]
            elif isinstance(base[key], Mapping):
                yield from _unknown(base[key], value)


def _checked(
    model: Any,
    content: Any,
    file: str | Callable[[KeyPath], str],
    line: Callable[[KeyPath], str] | None = None,
) -> Any:
    adapter = TypeAdapter(model)
    try:
        return adapter.validate_python(content)
    except ValidationError as error:
        first: dict[str, Any] = dict(error.errors()[0])
        loc = tuple(part for part in first["loc"] if part != "[key]")
        text = sentence(first, model_at(model, loc[:-1]))
        # A part in brackets tells which of several models it is, and no place in the file.
        key = ".".join(str(part) for part in loc if not str(part).startswith("["))
        where = f"{line(loc)}, {key}" if line else key
        holder = file if isinstance(file, str) else file(loc)
        raise PipelineError(f"{holder}: {where}: {text}") from None
