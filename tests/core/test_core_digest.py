"""A job's code changes with a real edit of what it could run, and with nothing else."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline_steps.core import digest
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import ROOT

STEP = "defenses.train"
TREE = {
    "pipeline_steps/__init__.py": '"""A project."""\n',
    "pipeline_steps/core/__init__.py": "",
    "pipeline_steps/core/numbers.py": '"""Numbers."""\nimport numpy\n\nSEED = 1\n',
    "pipeline_steps/core/telling.py": (
        '"""Tells."""\nfrom pipeline_steps.core import hidden\n\n'
        "CHANGES_NO_RESULT = True\nTEXT = 'hello'\n"
    ),
    "pipeline_steps/core/hidden.py": "import sklearn\n\nBEHIND = 1\n",
    "pipeline_steps/defenses/__init__.py": "",
    "pipeline_steps/defenses/train.py": (
        '"""Trains."""\nimport os\nfrom pipeline_steps.core import numbers, telling\n'
        "from PIL import Image\n\n\n"
        'def train():\n    """Train."""\n    return numbers.SEED, telling.TEXT\n'
    ),
    "pipeline_steps/threats/__init__.py": "",
    "pipeline_steps/threats/perturbations/__init__.py": "",
    "pipeline_steps/threats/perturbations/pixel.py": "class Pixel:\n    size = 1\n",
    "pipeline_steps/threats/perturbations/latent.py": "class Latent:\n    size = 1\n",
    "requirements.lock": "numpy==2.0.0 # pinned\nPillow==11.0\nscikit-learn==1.5\n",
}
SPEC = {"threat": {"edit": {"perturbation": "pixel", "parts": []}}}


@pytest.fixture
def project(tmp_path):
    """Lays a tiny project out anew, with some files edited: digests are cached."""
    made = iter(range(100))

    def lay_out(edits=None):
        root = tmp_path / str(next(made))
        for name, content in {**TREE, **(edits or {})}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(content)
        return root

    return lay_out


def edited(name, old, new):
    path = f"pipeline_steps/{name}.py" if "." not in name else name
    assert old in TREE[path]
    return {path: TREE[path].replace(old, new)}


NEUTRAL = {
    "a comment": edited("core/numbers", "SEED = 1", "SEED = 1  # why"),
    "a blank line": edited("core/numbers", "SEED", "\n\n\nSEED"),
    "the module's docstring": edited("core/numbers", "Numbers.", "Other words."),
    "no docstring": edited("core/numbers", '"""Numbers."""\n', ""),
    "a function's docstring": edited("defenses/train", "Train.", "Other words."),
    "layout": edited(
        "defenses/train", "numbers.SEED, telling", "(numbers\n .SEED), telling"
    ),
    "a module that changes no result": edited("core/telling", "hello", "bye"),
    "what such a module imports": edited("core/hidden", "1", "2"),
    "an entry that the spec does not name": edited(
        "threats/perturbations/latent", "1", "2"
    ),
    "a package that is not imported": edited("requirements.lock", "1.5", "1.6"),
}
REAL = {
    "the step": edited("defenses/train", "return", "return 1,"),
    "a module that it imports": edited("core/numbers", "SEED = 1", "SEED = 2"),
    "an import": edited("core/numbers", "import numpy", "import numpy as n"),
    "a package's file": edited("pipeline_steps/__init__.py", '"""\n', '"""\nA = 1\n'),
    "an entry that the spec names": edited("threats/perturbations/pixel", "1", "2"),
    "the version of an imported package": edited("requirements.lock", "2.0.0", "2.1.0"),
    "a package under its other name": edited("requirements.lock", "11.0", "12.0"),
}


@pytest.mark.parametrize("edit", NEUTRAL)
def test_what_cannot_change_a_result_changes_no_digest(project, edit):
    before, after = project(), project(NEUTRAL[edit])
    assert digest.code(STEP, SPEC, before) == digest.code(STEP, SPEC, after)


@pytest.mark.parametrize("edit", REAL)
def test_what_can_change_a_result_changes_the_digest(project, edit):
    before, after = project(), project(REAL[edit])
    assert (
        digest.code(STEP, SPEC, before).digest != digest.code(STEP, SPEC, after).digest
    )


def test_the_words_below_a_field_change_no_digest(project):
    path = "pipeline_steps/core/numbers.py"
    one, other = (
        project({path: TREE[path] + f'class A:\n    b: int = 1\n    """{words}"""\n'})
        for words in ("Some words.", "Other words.")
    )
    assert digest.code(STEP, SPEC, one) == digest.code(STEP, SPEC, other)


STEP_FILE = "pipeline_steps/defenses/train.py"
TEMPLATES = {
    STEP_FILE: TREE[STEP_FILE] + 'TEMPLATES = ("pages/page.j2",)\n',
    "pipeline_steps/defenses/pages/page.j2": '{% extends "base.j2" %} {{ a }}',
    "pipeline_steps/defenses/pages/base.j2": '<style>{% include "look.css" %}</style>',
    "pipeline_steps/defenses/pages/look.css": "p { margin: 0; }",
    "pipeline_steps/defenses/pages/other.j2": "not asked for",
}


@pytest.mark.parametrize(
    ("file", "is_read"),
    [
        pytest.param("page.j2", True, id="the template"),
        pytest.param("base.j2", True, id="what it extends"),
        pytest.param("look.css", True, id="what that includes"),
        pytest.param("other.j2", False, id="another"),
    ],
)
def test_the_templates_of_a_step_stand_in_its_code(project, file, is_read):
    path = f"pipeline_steps/defenses/pages/{file}"
    edit = TEMPLATES | {path: TEMPLATES[path] + " more"}
    before, after = (digest.code(STEP, SPEC, project(e)) for e in (TEMPLATES, edit))
    changed = [m for m, d in after.modules.items() if before.modules.get(m) != d]
    assert changed == ([path] if is_read else [])
    assert (before.digest != after.digest) is is_read


def test_a_template_that_is_not_there_is_named(project):
    del_base = {k: v for k, v in TEMPLATES.items() if not k.endswith("base.j2")}
    with pytest.raises(PipelineError, match=r"pages/base\.j2"):
        digest.code(STEP, SPEC, project(del_base))


def test_a_job_s_code_is_what_it_imports_and_what_its_spec_names(project):
    code = digest.code(STEP, SPEC, project())
    assert list(code.modules) == [
        "pipeline_steps",
        "pipeline_steps.core",
        "pipeline_steps.core.numbers",
        "pipeline_steps.defenses.train",
        "pipeline_steps.threats.perturbations.pixel",
    ]
    assert code.packages == {"numpy": "2.0.0", "pillow": "11.0"}


def test_a_package_that_no_lock_pins_is_told_so(project):
    code = digest.code(STEP, SPEC, project({"requirements.lock": ""}))
    assert code.packages == {"numpy": "unpinned", "pillow": "unpinned"}


def test_a_relative_import_is_refused(project):
    root = project({"pipeline_steps/core/numbers.py": "from . import telling\n"})
    with pytest.raises(PipelineError, match="full names"):
        digest.code(STEP, SPEC, root)


def test_a_step_that_does_not_exist_is_named(project):
    with pytest.raises(PipelineError, match=r"no module pipeline_steps\.defenses\.fly"):
        digest.code("defenses.fly", SPEC, project())


def attack_with(edit):
    return {"threat": {"edit": edit, "objective": {"objective": "cross_entropy"}}}


def test_an_attack_s_code_holds_its_own_edit_and_no_other():
    pixel = digest.code(
        "evaluation.attack_defense", attack_with({"perturbation": "pixel"})
    )
    threats = {name for name in pixel.modules if ".threats." in name}
    assert "pipeline_steps.threats.perturbations.pixel" in threats
    assert "pipeline_steps.threats.objectives.cross_entropy" in threats
    assert "pipeline_steps.threats.perturbations.latent" not in threats
    assert not any("sources" in name or "recipes" in name for name in pixel.modules)
    assert not any("glow" in name for name in pixel.modules)


def test_no_module_that_changes_no_result_is_in_any_digest():
    code = digest.code("defenses.train_defense", {"recipe": {"recipe": "ijsat"}})
    assert "pipeline_steps.core.rng" in code.modules
    neutral = {"progress", "step", "card", "digest", "files", "errors", "registry"}
    assert not neutral & {name.rpartition(".")[2] for name in code.modules}
    assert all(version != "unpinned" for version in code.packages.values())


def pythons():
    """Other interpreters of this machine that start."""
    names = [f"3.{minor}" for minor in (12, 13, 14)]
    beside = Path(sys.base_prefix).parent
    found = [shutil.which(f"python{name}") for name in names]
    found += [p for name in names for p in beside.glob(f"*{name}*/bin/python{name}")]
    told = {}
    for path in filter(None, found):
        command = [str(path), "-c", "import sys; print(sys.version_info[:2])"]
        ended = subprocess.run(command, capture_output=True, text=True)
        if ended.returncode == 0:
            told.setdefault(ended.stdout.strip(), str(path))
    return told


DIGEST_ALL = """
import pathlib
from pipeline_steps.core import digest
from pipeline_steps.core.registry import ROOT
for path in sorted((ROOT / "pipeline_steps").rglob("*.py")):
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    name = name.removesuffix(".__init__")
    print(name, digest._module(ROOT, name).digest)
"""


def test_digests_are_the_same_under_every_python():
    others = pythons()
    if not others:
        pytest.skip("no other Python was found")
    here, *there = (
        subprocess.run(
            [path, "-c", DIGEST_ALL],
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for path in (sys.executable, *others.values())
    )
    assert len(here.splitlines()) > 40
    assert all(told == here for told in there)
