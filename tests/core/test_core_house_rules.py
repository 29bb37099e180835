"""What holds of every module: who may import whom, what is dynamic, what is random."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_steps.core.registry import ROOT

PACKAGE = ROOT / "pipeline_steps"
FLOORS = (
    "layout.py",  # the table of results
    "core",
    "datasets",
    "generators",
    "manifolds",
    "threats",
    "defenses",
    "evaluation",
    "papers",
)
# What stands beside the floors, and the tool that it may know; no floor imports them.
BESIDE = {
    "config": set(),
    "jobs": {"snakemake"},
    "release": {"dvc"},
    "cluster": set(),
    "terminal": {"snakemake"},
}
# A path below the folders of results; `data` alone is a word of many uses.
SPELLED = re.compile(r"(results|data)/|results$")
COMPUTES = {
    "torch",
    "torchvision",
    "numpy",
    "pandas",
    "pyarrow",
    "scipy",
    "sklearn",
    "matplotlib",
    "safetensors",
    "PIL",
}
DYNAMIC = {"import_module", "__import__", "exec", "eval"}
DYNAMIC_WHERE = {
    "core/registry.py": ["import_module", "import_module"],
    "core/worker_pool.py": ["import_module"],  # installed packages, by a list of names
}

MODULES = sorted(PACKAGE.rglob("*.py"))
every_module = pytest.mark.parametrize(
    "path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE))
)


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[str]:
    """The full name of everything that a module imports, wherever it does so."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by a relative name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def project_modules(path: Path) -> Iterator[Path]:
    """The files of this project that a module imports."""
    for name in imports(path):
        if name.split(".")[0] == "pipeline_steps":
            stems = [
                ROOT / name.replace(".", "/"),
                (ROOT / name.replace(".", "/")).parent,
            ]
            options = [
                p for s in stems for p in (s.with_suffix(".py"), s / "__init__.py")
            ]
            yield next(option for option in options if option.is_file())


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def changes_no_result(path: Path) -> bool:
    return any(
        isinstance(node, ast.Assign) and ast.unparse(node) == "CHANGES_NO_RESULT = True"
        for node in tree_of(path).body
    )


@every_module
def test_nothing_is_imported_or_run_by_a_computed_name(path):
    """Or a job's digest could not know its code."""
    list(imports(path))
    called = [name.removeprefix("importlib.") for name, _ in calls(path)]
    expected = DYNAMIC_WHERE.get(path.relative_to(PACKAGE).as_posix(), [])
    assert [name for name in called if name in DYNAMIC] == expected
    assert path.name == "registry.py" or "importlib.import_module" not in imports(path)


@every_module
def test_a_floor_imports_only_from_the_floors_below_it(path):
    floor = path.relative_to(PACKAGE).parts[0]
    if floor in (
        "__init__.py",
        "__main__.py",
        "run_job.py",
        "cli.py",
        "listing.py",
        *BESIDE,
    ):
        return
    allowed = FLOORS[: FLOORS.index(floor) + 1]
    used = {other.relative_to(PACKAGE).parts[0] for other in project_modules(path)}
    assert used <= set(allowed)


def constant(path: Path, name: str) -> tuple[str, ...]:
    """What a module declares at its top under this name."""
    for node in tree_of(path).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    return ()


@every_module
def test_what_renders_a_template_names_it(path):
    """Or an edit of the template would not rerun the job."""
    rendered = {
        call.args[0].value for called, call in calls(path) if called == "render"
    }
    named = constant(path, "TEMPLATES")
    assert rendered == {Path(name).name for name in named}
    assert all((path.parent / name).is_file() for name in named)


@every_module
def test_only_the_table_of_results_spells_their_paths(path):
    """`layout.py` does; all others ask it."""
    if path == PACKAGE / "layout.py":
        return
    tree = tree_of(path)
    documents = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)
    }
    texts = (
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and id(node) not in documents
    )
    spelled = [t for t in texts if isinstance(t, str) and SPELLED.match(t)]
    assert not spelled


@every_module
def test_no_step_knows_snakemake_or_dvc(path):
    allowed = BESIDE.get(path.parent.name, set())
    used = {name.split(".")[0] for name in imports(path)}
    assert used & {"snakemake", "dvc"} <= allowed


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if changes_no_result(path)],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_a_module_that_changes_no_result_imports_nothing_that_computes(path):
    assert not {name.split(".")[0] for name in imports(path)} & COMPUTES
    for other in project_modules(path):
        assert changes_no_result(other) or other.name == "__init__.py"


DRAWS = {
    *("rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial"),
    *("uniform_", "normal_", "random_", "bernoulli_", "exponential_", "cauchy_"),
    *("rand_like", "randn_like", "randint_like", "manual_seed", "seed", "dropout"),
}
# Networks draw their first weights inside `fork_rng`, from a seed of their own.
MAY_SEED = {"defenses/load.py", "papers/points.py"}


@every_module
def test_no_module_draws_from_a_state_that_others_share(path):
    module = path.relative_to(PACKAGE).as_posix()
    assert "random" not in set(imports(path))
    if module == "core/rng.py":
        return
    for name, call in calls(path):
        head, _, last = name.rpartition(".")
        if head in ("np.random", "numpy.random"):
            assert last == "default_rng", name
            assert call.args, name
        elif last in DRAWS and head not in ("rng", "draw", "stream"):
            seeded = any(keyword.arg == "generator" for keyword in call.keywords)
            assert seeded or module in MAY_SEED, f"{module}: {name}"


@every_module
def test_a_module_says_what_it_gives(path):
    assert ast.get_docstring(tree_of(path))


def test_the_file_of_a_package_holds_words_alone():
    """Python runs it before any of its modules, and not every digest holds it."""
    for path in PACKAGE.rglob("__init__.py"):
        if path.parent != PACKAGE:
            assert len(tree_of(path).body) == 1, path


def test_the_top_of_the_package_only_passes_the_public_names_on():
    """Like every other, its file runs before a job; it loads nothing until it is asked."""
    words, neutral, names, passes_on = tree_of(PACKAGE / "__init__.py").body
    assert isinstance(words, ast.Expr)
    assert isinstance(neutral, ast.Assign)
    assert isinstance(names, ast.Assign)
    assert changes_no_result(PACKAGE / "__init__.py")
    assert isinstance(passes_on, ast.FunctionDef)
    assert passes_on.name == "__getattr__"
    code = "import sys, pipeline_steps.layout; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {"torch", "numpy", "robust_papers"} & set(done.stdout.split())


@pytest.mark.parametrize("floor", FLOORS[FLOORS.index("core") + 1 :])
def test_every_floor_has_a_rule_file_of_its_name(floor):
    shared = {"threats": "evaluation"}
    assert (ROOT / f"workflow/rules/{shared.get(floor, floor)}.smk").is_file()
