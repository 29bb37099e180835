"""The digest of a job's code: of every project module that can change its result, and
of every plugin module that its spec names.

Syntax trees are hashed without docstrings and comments, so that a comment reruns
nothing and a real edit reruns exactly the jobs that could execute it. Modules that
declare `CHANGES_NO_RESULT` stay out, and what they import is not followed. Other files
that can change a result are named by the module that reads them, in `TEMPLATES`, with
the others that these include.
"""

import ast
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import resolve_name
from pathlib import Path
from typing import Any

from pipeline_steps.core import plugins, registry
from pipeline_steps.core.errors import PipelineError

CHANGES_NO_RESULT = True

PACKAGE = "pipeline_steps"
LOCK = "requirements.lock"
INCLUDED = re.compile(r'\{%-? (?:extends|include|import|from) "([^"]+)"')
DISTRIBUTIONS = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "PyYAML"}


@dataclass(frozen=True)
class Code:
    """A job's code: its digest, and the modules and packages behind it."""

    digest: str
    modules: dict[str, str]
    packages: dict[str, str]


def text_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def spec_text(spec: Any) -> str:
    """A spec as one line, the same for the same content."""
    return json.dumps(spec, sort_keys=True, separators=(",", ":"))


def code(step: str, spec: Any, root: Path = registry.ROOT) -> Code:
    """The code of a job: its step, the classes that its spec names, and everything that
    these import."""
    starts = {f"{PACKAGE}.{step}"}
    for module in (registry.module_of(*entry) for entry in registry.entries(spec)):
        # In this project the `__init__.py` of packages have only docstrings; a plugin's
        # may have code.
        own = _top(module) == PACKAGE
        starts |= {module} if own else set(_modules(root, module))
    return _code(frozenset(starts), root)


@cache
def _code(starts: frozenset[str], root: Path) -> Code:
    waiting = list(starts)
    digests: dict[str, str] = {}
    packages: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in digests:
            continue
        module = _module(root, name)
        if module.changes_no_result:
            continue
        digests[name] = module.digest
        digests |= module.files
        packages |= module.packages
        waiting += module.imports
    lock = _lock(root / LOCK)
    pins = {name: lock.get(name.lower(), "unpinned") for name in sorted(packages)}
    modules = dict(sorted(digests.items()))
    return Code(text_digest(spec_text([modules, pins])), modules, pins)


@cache
def factory_digest(place: str) -> str:
    """The code behind a user's own function, from outside this project."""
    files = registry.factory_files(place)
    if not files:
        raise PipelineError(f"{place} names neither a file nor an installed module")
    try:
        trees = [
            ast.parse(path.read_text("utf-8"), filename=str(path)) for path in files
        ]
    except SyntaxError as error:
        raise PipelineError(f"{error.filename} is not Python: {error}") from None
    plain = (_canonical(tree) for tree in trees)
    return text_digest(spec_text([text_digest(spec_text(tree)) for tree in plain]))


@dataclass(frozen=True)
class _Module:
    digest: str
    files: dict[str, str]
    """Digests of the files that it reads besides its code."""
    imports: tuple[str, ...]
    packages: frozenset[str]
    changes_no_result: bool


@cache
def _module(root: Path, name: str) -> _Module:
    path = _path(root, name)
    if path is None:
        raise PipelineError(f"there is no module {name} below {root}")
    tree = registry.syntax_tree(path)
    imported = list(_imported(tree, _package(name, path)))
    # This project imports no plugins, so its imports are not searched for them.
    followed = {PACKAGE} if _top(name) == PACKAGE else {PACKAGE, *plugins.roots()}
    modules = {m for n in imported if _top(n) in followed for m in _modules(root, n)}
    outside = {_top(n) for n in imported} - followed
    return _Module(
        digest=text_digest(spec_text(_canonical(tree))),
        files=dict(_files(root, path.parent, _constant(tree, "TEMPLATES") or ())),
        imports=tuple(sorted(modules - {name})),
        packages=frozenset(_distributions(outside)),
        changes_no_result=bool(_constant(tree, "CHANGES_NO_RESULT")),
    )


def _top(name: str) -> str:
    return name.partition(".")[0]


def _package(name: str, path: Path) -> str | None:
    """The package that a plugin's relative imports start from; this project has none."""
    if _top(name) == PACKAGE:
        return None
    return name if path.stem == "__init__" else name.rpartition(".")[0]


def _constant(tree: ast.Module, name: str) -> Any:
    """The value that a module assigns to this name at its top level, if any."""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            target = node.targets[0]
            if isinstance(target, ast.Name) and target.id == name:
                return ast.literal_eval(node.value)
    return None


def _files(root: Path, folder: Path, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The files that a module reads, relative to it, each with the templates that it
    includes."""
    for name in names:
        path = folder / name
        if not path.is_file():
            raise PipelineError(f"there is no {path}, which a module beside it reads")
        text = path.read_text(encoding="utf-8")
        # A plugin's are elsewhere, in a folder that differs between machines.
        place = path.relative_to(root) if path.is_relative_to(root) else Path(path.name)
        yield place.as_posix(), text_digest(text)
        yield from _files(root, path.parent, INCLUDED.findall(text))


@cache
def _path(root: Path, name: str) -> Path | None:
    top = _top(name)
    stem = (root if top == PACKAGE else plugins.roots()[top]) / name.replace(".", "/")
    options = (stem.with_suffix(".py"), stem / "__init__.py")
    return next((p for p in options if p.is_file()), None)


def _modules(root: Path, name: str) -> Iterator[str]:
    """The module that an imported name comes from, and the packages around it."""
    while name:
        # A plugin's folder may be a package without a file of its own.
        if _path(root, name) is not None:
            yield name
        name = name.rpartition(".")[0]


def _imported(tree: ast.Module, package: str | None) -> Iterator[str]:
    """What a module imports, by full names; relative ones start from its package."""
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level and package is None:
                raise PipelineError("project modules import by their full names")
            module = f"{'.' * node.level}{node.module or ''}"
            module = resolve_name(module, package)
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """All statements, at any depth. Expressions contain none, so they are skipped."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            waiting += getattr(node, name, ())


def _documents(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _canonical(node: Any) -> Any:
    """A syntax tree as plain lists, without positions and empty fields.

    Strings that are statements of their own are left out: they only document. Python's own
    dump differs between releases; this form is the same on all supported ones, so a result
    made under 3.11 is not stale under 3.12.
    """
    if isinstance(node, ast.JoinedStr):
        # Python 3.12 ends some formats, such as `{word:<{width}}`, with an empty string.
        parts = (p for p in node.values if getattr(p, "value", None) != "")
        return ["JoinedStr", ["values", [_canonical(part) for part in parts]]]
    if isinstance(node, ast.AST):
        values = {name: getattr(node, name) for name in node._fields}
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            values["body"] = [n for n in node.body if not _documents(n)]
        fields = (
            [name, _canonical(value)]
            for name, value in values.items()
            if value not in (None, []) and name not in ("ctx", "kind", "type_comment")
        )
        return [type(node).__name__, *fields]
    if isinstance(node, list):
        return [_canonical(item) for item in node]
    return repr(node)


def _distributions(imported: set[str]) -> Iterator[str]:
    for name in imported - sys.stdlib_module_names:
        yield DISTRIBUTIONS.get(name, name.replace("_", "-"))


@cache
def _lock(path: Path) -> dict[str, str]:
    """The versions that the lock file pins, by lower-case name."""
    if not path.is_file():
        return {}
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    pins = (line.split("==") for line in lines if "==" in line)
    return {name.strip().lower(): version.strip() for name, version in pins}
