"""Finds the class that a word in the config names, without importing the others.

Each kind has a folder; the word is the module's name, and the class has the same name
in capitals (`cross_entropy` is `CrossEntropy` in `cross_entropy.py`). So a new attack
is one file, found by its name. A class's settings are read from its source, so that a
config is checked without loading torch. A plugin has folders of the
same names (`core/plugins.py`).
"""

import ast
import difflib
import importlib
import importlib.util
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pipeline_steps.core import plugins
from pipeline_steps.core.errors import PipelineError

CHANGES_NO_RESULT = True

ROOT = Path(__file__).parents[2]

# How many valid names are listed at most.
SHOWN = 25

FOLDERS = {
    "source": "pipeline_steps.datasets.sources",
    "corruption": "pipeline_steps.datasets.corruptions",
    "generator": "pipeline_steps.generators",
    "perturbation": "pipeline_steps.threats.perturbations",
    "attack": "pipeline_steps.threats.attacks",
    "objective": "pipeline_steps.threats.objectives",
    "architecture": "pipeline_steps.defenses.architectures",
    "recipe": "pipeline_steps.defenses.recipes",
    "inference": "pipeline_steps.defenses.inferences",
    "figure": "pipeline_steps.papers.figures",
}


@dataclass(frozen=True)
class Parameter:
    """One setting of a class, as its source declares it."""

    name: str
    annotation: ast.expr | None
    default: ast.expr | None

    def mentions(self, name: str) -> bool:
        """Whether its type is this one, or made of it: `dict[Word, Threat]`."""
        nodes = ast.walk(self.annotation) if self.annotation else ()
        return any(isinstance(node, ast.Name) and node.id == name for node in nodes)


def class_name(word: str) -> str:
    return "".join(part.capitalize() for part in word.split("_"))


def module_of(kind: str, word: str) -> str:
    """The module that a word names, this project's or a plugin's."""
    return _known(kind, word).module


def path_of(kind: str, word: str) -> str:
    """The file that a word names, this project's own as seen from its folder."""
    return _known(kind, word).path


@cache
def words(kind: str) -> tuple[str, ...]:
    """Every word of a kind, plugins included."""
    paths = {word: _own_path(kind, word) for word in own_words(kind)}
    for plugin in plugins.installed():
        for path in sorted((plugin.folder / _folder(kind)).glob("[!_]*.py")):
            word = path.stem
            if word in paths:
                raise PipelineError(
                    f"the {kind} '{word}' is defined twice, in {paths[word]} and in {path} "
                    f"of the plugin '{plugin.name}'; rename the plugin's"
                )
            if not _class_in(path, word):
                raise PipelineError(
                    f"{path} holds no class {class_name(word)}, which the word "
                    f"'{word}' needs; a module that defines no word must begin with "
                    "'_', or be in another folder"
                )
            paths[word] = str(path)
    return tuple(sorted(paths))


@cache
def own_words(kind: str) -> tuple[str, ...]:
    """This project's words: the modules of a folder that contain the class they
    name."""
    folder = ROOT / FOLDERS[kind].replace(".", "/")
    return tuple(
        sorted(p.stem for p in folder.glob("*.py") if _class_in(p, p.stem) is not None)
    )


@dataclass(frozen=True)
class _Source:
    """The source that a word names."""

    module: str
    path: str
    node: ast.ClassDef


@cache
def _source(kind: str, word: str) -> _Source | None:
    """The source that a word names. Plugins are searched only if it is not this
    project's own."""
    path = _own_path(kind, word)
    if node := _class_in(ROOT / path, word):
        return _Source(f"{FOLDERS[kind]}.{word}", path, node)
    for plugin in plugins.installed():
        file = plugin.folder / _folder(kind) / f"{word}.py"
        if node := _class_in(file, word):
            module = f"{plugin.package}.{_folder(kind)}.{word}"
            return _Source(module, str(file), node)
    return None


def _known(kind: str, word: str) -> _Source:
    source = _source(kind, word)
    if source is None:
        raise PipelineError(unknown(kind, word))
    return source


def _own_path(kind: str, word: str) -> str:
    return f"{FOLDERS[kind]}.{word}".replace(".", "/") + ".py"


def _folder(kind: str) -> str:
    """The folder of a kind in a plugin: `perturbations`."""
    return FOLDERS[kind].rpartition(".")[2]


def _class(kind: str, word: str) -> ast.ClassDef | None:
    source = _source(kind, word)
    return source.node if source else None


def _class_in(path: Path, word: str) -> ast.ClassDef | None:
    """The class that a module must contain to be a word."""
    if not path.is_file():
        return None
    classes = [n for n in syntax_tree(path).body if isinstance(n, ast.ClassDef)]
    named = (c for c in classes if c.name == class_name(word))
    return next((c for c in named if not _is_interface(c)), None)


def syntax_tree(path: Path) -> ast.Module:
    """The source of a module, without running it."""
    try:
        return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except SyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        raise PipelineError(f"{path}{line} is not Python: {error.msg}") from None
    except ValueError as error:  # not UTF-8, or with null bytes
        raise PipelineError(f"{path} is not Python: {error}") from None


def refuse_broken_code(root: Path = ROOT) -> None:
    """One sentence for a file of this project that is not Python, also if no job uses it.

    What was compiled since it was written is not read again.
    """
    for path in sorted((root / "pipeline_steps").rglob("*.py")):
        compiled = Path(importlib.util.cache_from_source(str(path)))
        facts = path.stat()
        written = (int(facts.st_mtime) & 0xFFFFFFFF, facts.st_size & 0xFFFFFFFF)
        try:
            with compiled.open("rb") as file:
                head = struct.unpack("<4sIII", file.read(16))
            if head == (importlib.util.MAGIC_NUMBER, 0, *written):
                continue
        except (OSError, struct.error):
            pass
        syntax_tree(path)


def _is_interface(node: ast.ClassDef) -> bool:
    """Whether a class is the base class of its kind, which no config can name."""
    return not {"ABC", "Protocol"}.isdisjoint(map(ast.unparse, node.bases))


@cache
def parameters(kind: str, word: str) -> tuple[Parameter, ...]:
    """A class's settings: the arguments of its `__init__`, or a dataclass's fields."""
    node = _known(kind, word).node
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            return tuple(_arguments(statement.args))
    fields = [n for n in node.body if isinstance(n, ast.AnnAssign)]
    return tuple(
        Parameter(ast.unparse(f.target), f.annotation, f.value) for f in fields
    )


def _arguments(arguments: ast.arguments) -> Iterator[Parameter]:
    named = [*arguments.posonlyargs, *arguments.args][1:]
    missing: list[ast.expr | None] = [None] * (len(named) - len(arguments.defaults))
    defaults = [*missing, *arguments.defaults, *arguments.kw_defaults]
    for argument, default in zip(
        [*named, *arguments.kwonlyargs], defaults, strict=True
    ):
        yield Parameter(argument.arg, argument.annotation, default)


def about(kind: str, word: str) -> str:
    """The first line of a class's docstring."""
    node = _class(kind, word)
    text = ast.get_docstring(node) if node else None
    return (text or "").split("\n\n")[0].replace("\n", " ")


def constant(kind: str, word: str, name: str) -> Any:
    """A constant that a class assigns: `shows = "curve"`."""
    node = _class(kind, word)
    lines = [n for n in node.body if isinstance(n, ast.Assign)] if node else []
    values = (line.value for line in lines if ast.unparse(line.targets[0]) == name)
    return next(map(ast.literal_eval, values), None)


def unknown(kind: str, word: str) -> str:
    return f"there is no {kind} '{word}'{did_you_mean(word, words(kind))}"


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """The nearest valid name, as the end of a sentence."""
    names = sorted(names)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    known = f"; valid: {', '.join(names[:SHOWN])}{more}" if names else ""
    return nearest(word, names) or known


def nearest(word: str, names: Iterable[str], likeness: float = 0.5) -> str:
    """The same, for names too many to list."""
    spelled = {name.casefold(): name for name in sorted(names)}
    near = difflib.get_close_matches(word.casefold(), spelled, n=1, cutoff=likeness)
    return f"; did you mean '{spelled[near[0]]}'?" if near else ""


def entries(spec: object) -> set[tuple[str, str]]:
    """The registered things that a spec names, at any depth: `{"recipe": "at"}`."""
    return {
        (key, value)
        for entry in mappings(spec)
        for key, value in entry.items()
        if key in FOLDERS and isinstance(value, str)
    }


def mappings(spec: Any) -> Iterator[dict[str, Any]]:
    """Everything in a spec that has keys, at any depth."""
    if isinstance(spec, dict):
        yield spec
        spec = list(spec.values())
    if isinstance(spec, list):
        for item in spec:
            yield from mappings(item)


def load(kind: str, word: str) -> Any:
    """The class behind a word. The only dynamic import of this project's own code, and of
    a plugin's."""
    return getattr(importlib.import_module(module_of(kind, word)), class_name(word))


def make(kind: str, entry: Mapping[str, Any], **more: object) -> Any:
    """An object from its entry in a spec, which may contain others.

    `more` replaces or adds arguments.
    """
    settings = {name: value for name, value in entry.items() if name != kind} | more
    for name, value in settings.items():
        if isinstance(value, dict) and isinstance(value.get(kind), str):
            settings[name] = make(kind, value)
    return load(kind, entry[kind])(**settings)


def factory(address: str) -> Any:
    """A user's own function, by `FILE.py:NAME` or `MODULE:NAME`."""
    module, _, name = address.rpartition(":")
    if not module.endswith(".py"):
        return getattr(importlib.import_module(module), name)
    spec = importlib.util.spec_from_file_location(Path(module).stem, module)
    if spec is None or spec.loader is None:
        raise ImportError(f"{module} can't be imported")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return getattr(loaded, name)


def factory_files(address: str) -> list[Path]:
    """The source files of a user's function: its file, or its whole package."""
    module = address.rpartition(":")[0]
    if module.endswith(".py"):
        return [path for path in [Path(module)] if path.is_file()]
    # Finding the outermost package imports nothing.
    package = importlib.util.find_spec(module.partition(".")[0]) if module else None
    if package is None:
        return []
    folders = map(Path, package.submodule_search_locations or [])
    inside = sorted(path for folder in folders for path in folder.rglob("*.py"))
    # A built-in module has no file.
    return inside or [p for p in [Path(package.origin or "")] if p.is_file()]
