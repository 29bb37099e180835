"""From a word in the config to the class that it names, without importing the rest.

A kind of thing lives in one folder; the word is the module, and the class has the same
name in capitals (`cross_entropy` is `CrossEntropy` in `cross_entropy.py`). So a new
attack is one file, found by its name. What a class wants to be told is read from its
source, so that a config is checked without loading torch.
"""

import ast
import difflib
import importlib
import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pipeline_steps.core.errors import PipelineError

CHANGES_NO_RESULT = True

ROOT = Path(__file__).parents[2]

# Of many valid names so many are listed.
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
    return f"{FOLDERS[kind]}.{word}"


def path_of(kind: str, word: str) -> str:
    """The file that a word names, as it is seen from the project's folder."""
    return module_of(kind, word).replace(".", "/") + ".py"


@cache
def words(kind: str) -> tuple[str, ...]:
    """Every word of a kind: the modules of its folder that hold the class they name."""
    folder = ROOT / FOLDERS[kind].replace(".", "/")
    modules = (path.stem for path in folder.glob("*.py"))
    return tuple(sorted(word for word in modules if _class(kind, word)))


@cache
def _class(kind: str, word: str) -> ast.ClassDef | None:
    path = ROOT / path_of(kind, word)
    if not path.is_file():
        return None
    classes = [
        n for n in ast.parse(path.read_text()).body if isinstance(n, ast.ClassDef)
    ]
    named = (c for c in classes if c.name == class_name(word))
    return next((c for c in named if not _is_interface(c)), None)


def _is_interface(node: ast.ClassDef) -> bool:
    """Whether a class is what others of its kind are derived from, and no thing itself."""
    return not {"ABC", "Protocol"}.isdisjoint(map(ast.unparse, node.bases))


@cache
def parameters(kind: str, word: str) -> tuple[Parameter, ...]:
    """What a class takes: the arguments of its `__init__`, or a dataclass's fields."""
    node = _class(kind, word)
    if node is None:
        raise PipelineError(unknown(kind, word))
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
    """The first line of what a class says of itself."""
    node = _class(kind, word)
    text = ast.get_docstring(node) if node else None
    return (text or "").split("\n\n")[0].replace("\n", " ")


def constant(kind: str, word: str, name: str) -> Any:
    """What a class says of itself in a plain line: `shows = "curve"`."""
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
    """The same where the names are too many to list them."""
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
    """The class behind a word. The only dynamic import of this project's own code."""
    if _class(kind, word) is None:
        raise PipelineError(unknown(kind, word))
    return getattr(importlib.import_module(module_of(kind, word)), class_name(word))


def make(kind: str, entry: Mapping[str, Any], **more: object) -> Any:
    """An object from its entry in a spec, in which others of its kind may stand.

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
    """The source behind a user's function: its file, or all of its package."""
    module = address.rpartition(":")[0]
    if module.endswith(".py"):
        return [path for path in [Path(module)] if path.is_file()]
    # To find the outermost package imports nothing.
    package = importlib.util.find_spec(module.partition(".")[0]) if module else None
    if package is None:
        return []
    folders = map(Path, package.submodule_search_locations or [])
    inside = sorted(path for folder in folders for path in folder.rglob("*.py"))
    return inside or [Path(package.origin or "")]
