"""A step imports what it needs and no more, for at every job it is imported anew.

What a module imports inside of a function counts where that function is called, so the
table below is of what is imported at a module's top, by it or by what it imports.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from pipeline_steps.core.registry import FOLDERS, ROOT, module_of, words

# Packages that take a tenth of a second or more to import, or bring such along.
HEAVY = {
    *("torch", "torchvision", "pandas", "pyarrow", "scipy", "sklearn"),
    *("matplotlib", "PIL", "rich", "boto3", "botocore"),
}
# What torch and scipy have, and import only for those who ask for it.
LATE = {"torch._dynamo", "sympy", "scipy.stats"}

TORCH, PICTURES = {"torch"}, {"matplotlib"}
STEPS: dict[str, set[str]] = {
    "datasets.fetch_dataset": set(),
    "datasets.build_dataset": set(),
    "datasets.show_dataset": {"PIL"},
    "datasets.corrupt_dataset": TORCH,
    "generators.train_flow": TORCH,
    "generators.train_gan": TORCH,
    # Torch only where it projects or attacks, and not where it gathers.
    "manifolds.project_dataset": set(),
    "defenses.train_defense": TORCH,
    "defenses.adopt_defense": TORCH,
    "evaluation.attack_defense": set(),
    "evaluation.attack_snapshots": TORCH,
    "evaluation.explain_defense": TORCH,
    "papers.make_table": PICTURES,
    "papers.make_figure": set(),
    "papers.calibrate": set(),
    "papers.check_claims": set(),
    "papers.gather_claims": set(),
    "papers.make_report": set(),
}

# What a spec names is imported beside its step: by kind, and those that need other things.
KINDS: dict[str, set[str]] = dict.fromkeys(FOLDERS, TORCH) | {
    "source": set(),
    "figure": PICTURES,
}
OTHERS: dict[str, set[str]] = {
    "source folder": {"PIL"},
    "source svhn": {"scipy"},
    "corruption shot_noise": TORCH | {"scipy"},
    "corruption jpeg_compression": TORCH | {"PIL"},
    "architecture resnet50": TORCH | {"torchvision"},
    "figure decision_boundaries": TORCH | PICTURES,
}
NAMED = [(kind, word) for kind in FOLDERS for word in words(kind)]


def file_of(module: str) -> Path | None:
    stem = ROOT / module.replace(".", "/")
    options = (stem.with_suffix(".py"), stem / "__init__.py")
    return next((path for path in options if path.is_file()), None)


def at_once(tree: ast.AST) -> Iterator[ast.AST]:
    """What runs when a module is imported: no function's body, and nothing for types."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from at_once(node)


@cache
def imported_by(path: Path) -> set[str]:
    names = set()
    for node in at_once(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def heavy(module: str) -> set[str]:
    """The heavy packages that a module's import brings along."""
    waiting, seen, packages = [module], set[str](), set[str]()
    while waiting:
        name = waiting.pop()
        while name.startswith("pipeline_steps.") and not file_of(name):
            name = name.rpartition(".")[0]
        path = file_of(name)
        if path is None:
            packages.add(name.partition(".")[0])
        elif name not in seen:
            seen.add(name)
            waiting += imported_by(path)
    return packages & HEAVY


def test_every_step_stands_in_the_table():
    folders = {path.name for path in (ROOT / "workflow/rules").glob("*.smk")}
    floors = {name.partition(".")[0] for name in STEPS}
    assert {f"{floor}.smk" for floor in floors} <= folders
    programs = {
        f"{floor}.{path.stem}"
        for floor in floors
        for path in (ROOT / "pipeline_steps" / floor).glob("*.py")
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    }
    assert programs == set(STEPS)


@pytest.mark.parametrize("step", STEPS)
def test_a_step_imports_what_it_needs_and_no_more(step):
    assert heavy(f"pipeline_steps.{step}") == STEPS[step]


@pytest.mark.parametrize(("kind", "word"), NAMED, ids=map(" ".join, NAMED))
def test_what_a_spec_names_imports_what_it_needs_and_no_more(kind, word):
    expected = OTHERS.get(f"{kind} {word}", KINDS[kind])
    assert heavy(module_of(kind, word)) == expected


@pytest.mark.parametrize("torch", [False, True], ids=["without torch", "with torch"])
def test_no_package_brings_along_what_no_step_asks_for(torch):
    """In a fresh interpreter, all steps of a kind together."""
    steps = [name for name, packages in STEPS.items() if ("torch" in packages) == torch]
    lines = [f"import pipeline_steps.{name}" for name in steps]
    lines += ["import sys", "print(*sys.modules)"]
    told = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    expected = set.union(*(STEPS[name] for name in steps))
    # matplotlib opens and saves pictures with Pillow.
    expected |= {"PIL"} if "matplotlib" in expected else set()
    assert set(told.stdout.split()) & (HEAVY | LATE) == expected
