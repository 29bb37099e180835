"""The config that plugins bring: their files, and their entries among this project's."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline_steps.config.yaml_files import (
    Complaint,
    ConfigFiles,
    Place,
    config_file,
    config_folder,
    read,
)
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.plugins import Plugin, installed
from pipeline_steps.core.registry import did_you_mean

# What a plugin may bring besides papers.
FILES = ("datasets", "generators", "threats", "defenses")


def check_plugins(files: ConfigFiles, needed: Iterable[str]) -> None:
    """Refuses config that nothing reads, and the absence of a plugin that is needed."""
    names = [plugin.name for plugin in installed()]
    for i, name in enumerate(needed):
        if name not in names:
            text = (
                f"the plugin '{name}' is not installed; install it, or remove it from "
                f"this list{did_you_mean(name, names)}"
            )
            raise files.error(Complaint(Place("own", ("plugins", i)), text), "plugins")
    for plugin in installed():
        _check_names(plugin)


def _check_names(plugin: Plugin) -> None:
    known = [f"{name}.yaml" for name in FILES]
    for path in sorted((plugin.folder / "config").rglob("*.y*ml")):
        inside = path.relative_to(plugin.folder / "config")
        if str(inside) not in known and not inside.match("papers/*.yaml"):
            near = did_you_mean(str(inside), [*known, "papers/NAME.yaml"])
            raise PipelineError(f"{path}: a plugin can't have this config file{near}")


def papers(files: ConfigFiles) -> list[str]:
    """The files of all papers, those of plugins among them."""
    folder = config_folder(files.root) / "papers"
    names = [f"papers/{path.stem}" for path in sorted(folder.glob("*.yaml"))]
    for plugin in installed():
        for path in sorted((plugin.folder / "config/papers").glob("*.yaml")):
            name, file = f"papers/{path.stem}", str(path.with_suffix(""))
            if name in names:
                raise _twice(files, Place(name), file)
            names.append(name)
            files.of_plugins[Place(name)] = file
    return names


def with_plugins(files: ConfigFiles, name: str) -> dict[str, Any]:
    """A file's content, with the entries of plugins added."""
    content = read(files.root, files.of_plugins.get(Place(name), name))
    for file in _files_of_plugins(name):
        piece = read(files.root, file)
        if name != "defenses":
            content = _with_entries(files, Place(name), content, file, piece)
            continue
        for section, entries in piece.items():
            place = Place(name, (section,))
            if section not in content:
                text = f"unknown key '{section}'{did_you_mean(section, content)}"
                raise files.error(Complaint(Place(file, place.key), text))
            wider = _with_entries(files, place, content[section], file, entries)
            content = {**content, section: wider}
    return content


def _files_of_plugins(name: str) -> Iterator[str]:
    for plugin in installed() if name in FILES else ():
        path = plugin.folder / "config" / name
        if Path(f"{path}.yaml").is_file():
            yield str(path)


def _with_entries(
    files: ConfigFiles, place: Place, entries: Any, file: str, more: Any
) -> Any:
    """The entries that stand at a place, and those of a plugin's file."""
    if not isinstance(more, Mapping):
        text = "it should hold names with settings"
        raise files.error(Complaint(Place(file, place.key), text))
    for name in more:
        entry = place.at(name)
        if name in entries:
            raise _twice(files, entry, file)
        files.of_plugins[entry] = file
    return {**entries, **more}


def _twice(files: ConfigFiles, place: Place, file: str) -> PipelineError:
    """A name defined in two files would be ambiguous."""
    first = config_file(files.of_plugins.get(place, place.file))
    text = f"{first} has this name already; rename the plugin's"
    return files.error(Complaint(Place(file, place.key), text))
