"""The files of a config, and the line on which each of their keys stands."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.settings import KeyPath, kind_of

FOLDER = Path("workflow/config")

DEEPEST, MOST_VALUES = 100, 1_000_000
# Lists in one another on one line, or lines that begin far to the right.
DEEP_BLOCK = re.compile(r"^ *(?:[-?:] +){50}|^ {200}", re.MULTILINE)


class Place(NamedTuple):
    """A place in the config: a file, as `papers/ijsat`, and the keys that lead there."""

    file: str
    key: KeyPath = ()

    def at(self, *more: str | int) -> "Place":
        return Place(self.file, (*self.key, *more))


class Complaint(NamedTuple):
    """What is wrong at a place of the config."""

    place: Place
    text: str


def config_folder(root: Path) -> Path:
    """Where the YAML lies: a checkout's own, or the copy that the wheel brings."""
    own = root / FOLDER
    return own if own.is_dir() else root / "pipeline_steps/workflow_config"


def config_file(name: str) -> str:
    """A file of the config, as sentences name it; a plugin's is its whole path."""
    return f"{FOLDER / name}.yaml"


def path_of(root: Path, name: str) -> Path:
    """Where a file of the config lies. What stands before a whole path is dropped."""
    return config_folder(root) / f"{name}.yaml"


class ConfigFiles:
    """The files of one scale, whose overrides are laid over the others."""

    def __init__(self, root: Path, scale: str) -> None:
        self.root, self.scale_file = root, f"scales/{scale}"
        self.scale = read(root, self.scale_file)
        self.of_plugins: dict[Place, str] = {}
        """Which entries plugins bring: the file, by its whole path, that holds each."""

    @property
    def has_own(self) -> bool:
        """Whether the user brings anything."""
        return path_of(self.root, "own").is_file()

    def overrides(self, name: str) -> Any:
        """What the scale lays over a file."""
        every = self.scale.get("overrides")
        return every.get(name) or {} if isinstance(every, Mapping) else {}

    def error(self, complaint: Complaint, whose: str = "") -> PipelineError:
        """A complaint with its file and line; `whose` says it better than its keys."""
        return PipelineError(f"{self.where(complaint.place, whose)}: {complaint.text}")

    def where(self, place: Place, whose: str = "") -> str:
        """A place as a person finds it."""
        place = self._held(place)
        named = whose or ".".join(map(str, place.key))
        parts = filter(None, (f"line {line_of(self.root, place)}", named))
        return f"{config_file(place.file)}: {', '.join(parts)}"

    def _held(self, place: Place) -> Place:
        """The same place in the file of the plugin that brings it, if one does."""
        for length in range(3):
            entry = Place(place.file, place.key[:length])
            if entry in self.of_plugins:
                return Place(self.of_plugins[entry], place.key)
        return place

    def written(self, place: Place) -> Place:
        """Where a place of the merged config is written: in its file, or over it."""
        over = _at(self.overrides(place.file), place.key)
        if over is not MISSING and not isinstance(over, Mapping):
            return Place(self.scale_file, ("overrides", place.file, *place.key))
        if place.file == "datasets" and self.has_own:
            own = Place("own", ("datasets", *place.key))
            if _at(read(self.root, "own"), own.key[:2]) is not MISSING:
                return own
        return place


MISSING = object()


def _at(content: Any, key: KeyPath) -> Any:
    """What plain values have at these keys."""
    for part in key:
        if isinstance(content, Mapping) and part in content:
            content = content[part]
        elif isinstance(content, list) and part in range(len(content)):
            content = content[int(part)]
        else:
            return MISSING
    return content if key else MISSING


class _Loader(yaml.CSafeLoader):
    """Refuses a key that stands twice: its first value would be lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:
        lines: dict[str, int] = {}
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in lines:
                text = f"the key '{key.value}' is given twice, first on line"
                raise _Twice(
                    problem=f"{text} {lines[key.value]}", problem_mark=key.start_mark
                )
            lines[key.value] = key.start_mark.line + 1
        return super().construct_mapping(node, deep)


class _Twice(yaml.MarkedYAMLError):
    """A key that stands twice, which YAML itself allows."""


def read(root: Path, name: str) -> dict[str, Any]:
    """The names and settings that a file holds."""
    file = config_file(name)
    text = _text(root, name)
    _refuse_depth(text, file)
    try:
        content = yaml.load(text, _Loader)
    except _Twice as error:
        assert error.problem_mark is not None
        line = error.problem_mark.line + 1
        raise PipelineError(f"{file}: line {line}: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        line, reason = _syntax(error, text)
        raise PipelineError(f"{file}: line {line} is not YAML: {reason}") from None
    if _values(content, {}) > MOST_VALUES:
        raise PipelineError(
            f"{file}: its aliases (`*name`) stand for more than {MOST_VALUES:,} values, or "
            "for one another"
        )
    if content is None:
        raise PipelineError(f"{file}: it is empty, and should hold names with settings")
    if not isinstance(content, dict):
        line = line_of(root, Place(name))
        raise PipelineError(
            f"{file}: line {line}: it should hold names with settings, `name: …`, "
            f"not {kind_of(content)}"
        )
    return content


def _refuse_depth(text: str, file: str) -> None:
    """The YAML library crashes, without an exception, on what is nested too deeply."""
    balance = deepest = 0
    for bracket in re.findall(r"[][{}]", text):
        balance += 1 if bracket in "[{" else -1
        deepest = max(deepest, balance)
    # In text brackets need not match, so what looks deep is looked at more closely.
    if deepest <= DEEPEST and not DEEP_BLOCK.search(text):
        return
    depth = 0
    try:
        for event in yaml.parse(text, _Loader):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth > DEEPEST:
                mark = event.start_mark
                line = f"line {mark.line + 1}: " if mark else ""
                raise PipelineError(
                    f"{file}: {line}more than {DEEPEST} lists or settings stand in "
                    "one another"
                )
    except yaml.YAMLError:
        return  # to read it tells where


def _values(content: Any, sizes: dict[int, int]) -> int:
    """How many values there are, those that an alias repeats counted each time."""
    if not isinstance(content, dict | list):
        return 1
    if id(content) not in sizes:
        sizes[id(content)] = MOST_VALUES + 1  # if it holds itself
        inside = content.values() if isinstance(content, dict) else content
        sizes[id(content)] = 1 + sum(_values(value, sizes) for value in inside)
    return sizes[id(content)]


def _text(root: Path, name: str) -> str:
    file = config_file(name)
    try:
        return path_of(root, name).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise PipelineError(f"{file} is missing") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise PipelineError(
            f"{file}: line {line} is not UTF-8; save the file in that encoding"
        ) from None
    except OSError as error:
        raise PipelineError(f"{file} can't be read: {error.strerror}") from None


def _syntax(error: Exception, text: str) -> tuple[int, str]:
    """The line of a file that is not YAML, and why."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        mark, begun = error.problem_mark, error.context_mark
        reason = error.problem or "it can't be read"
        written = text.splitlines()
        if mark.line < len(written) and written[mark.line][mark.column :][:1] == "\t":
            return mark.line + 1, "it is indented by a tab, where YAML needs spaces"
        if begun and error.context and begun.line != mark.line:
            reason = f"{reason}, {error.context} that begins on line {begun.line + 1}"
        return mark.line + 1, reason
    if isinstance(error, yaml.reader.ReaderError):
        return text.count("\n", 0, error.position) + 1, error.reason
    if isinstance(error, yaml.YAMLError):
        return 1, str(error).replace("\n", " ")
    # A constructor's own: a date that no calendar has.
    return _unmade(text) + 1, str(error)


def _unmade(text: str) -> int:
    """The line of the first value that can't be made."""
    loader = _Loader(text)
    for node in _scalars(loader.get_single_node()):
        try:
            loader.construct_object(node)
        except ValueError:
            return node.start_mark.line
    return 0


def _scalars(node: yaml.Node | None) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.ScalarNode):
        yield node
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from (*_scalars(key), *_scalars(value))
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _scalars(item)


def line_of(root: Path, place: Place) -> int:
    """The line on which a place begins, or the nearest one around it."""
    loader = _Loader(_text(root, place.file))
    node = loader.get_single_node()
    line = node.start_mark.line if node else 0
    for part in place.key:
        inside = _inside(node, loader)
        if part not in inside:
            break
        line, node = inside[part]
    return int(line) + 1


def _inside(
    node: yaml.Node | None, loader: _Loader
) -> dict[Any, tuple[int, yaml.Node]]:
    """What stands in a node, by its keys: on which line, and as what."""
    if isinstance(node, yaml.SequenceNode):
        return {i: (item.start_mark.line, item) for i, item in enumerate(node.value)}
    inside: dict[Any, tuple[int, yaml.Node]] = {}
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.value == "<<":
            inside = _inside(value, loader) | inside
        elif isinstance(key, yaml.ScalarNode):
            inside[loader.construct_object(key)] = (key.start_mark.line, value)
    return inside
