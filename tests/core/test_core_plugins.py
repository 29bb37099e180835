"""What is installed is found, checked and digested, and nothing of it is run."""

import sys

import pytest

from pipeline_steps.core import digest, registry
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.settings import settings_of
from tests.plugin_toys import RIPPLE

RUNS = "raise RuntimeError('it was run')\n"
SPEC = {"threat": {"edit": {"perturbation": "ripple"}}}
STEP = "evaluation.attack_defense"


def test_a_word_of_a_plugin_is_known_and_none_of_its_code_is_run(environment):
    folder = environment.install(
        {"__init__.py": RUNS, "perturbations/ripple.py": RIPPLE + RUNS}
    )
    assert "ripple" in registry.words("perturbation")
    assert "ripple" not in registry.own_words("perturbation")
    assert registry.module_of("perturbation", "ripple") == (
        "toy_plugin.perturbations.ripple"
    )
    file = folder / "perturbations/ripple.py"
    assert registry.path_of("perturbation", "ripple") == str(file)
    assert set(settings_of("perturbation", "ripple").model_fields) == {
        "epsilon",
        "step_size",
    }
    assert digest.code(STEP, SPEC).digest
    assert not {name for name in sys.modules if name.startswith("toy_plugin")}


def test_each_kind_of_this_project_has_a_folder_of_its_own_in_a_plugin():
    folders = [package.rpartition(".")[2] for package in registry.FOLDERS.values()]
    assert len(set(folders)) == len(registry.FOLDERS)


def test_a_class_of_a_plugin_is_made_like_ours(environment):
    code = "class Answer:\n    '''The answer.'''\n\n    number = 42\n"
    environment.install({"__init__.py": "", "figures/answer.py": code}, "answering")
    assert registry.make("figure", {"figure": "answer"}).number == 42
    assert registry.about("figure", "answer") == "The answer."


@pytest.mark.parametrize("package", ["toy_plugin", "lab.toy"])
def test_a_digest_holds_what_is_named_and_what_that_imports(environment, package):
    top = package.partition(".")[0]
    environment.install(
        {
            "__init__.py": "",
            "perturbations/__init__.py": "",
            "perturbations/ripple.py": (
                f"import kornia\nfrom {package} import shapes\n"
                f"from ..words.hello import text\n{RIPPLE}"
            ),
            "perturbations/other.py": "class Other:\n    pass\n",
            "shapes.py": "from . import deeper\n",
            "deeper.py": "DEPTH = 1\n",
            "words/hello.py": "text = 'hello'\n",
            "unused.py": "",
        },
        package,
    )
    code = digest.code(STEP, SPEC)
    assert [name for name in code.modules if name.split(".")[0] == top] == [
        package,
        f"{package}.deeper",
        f"{package}.perturbations",
        f"{package}.perturbations.ripple",
        f"{package}.shapes",
        f"{package}.words.hello",
    ]
    assert "pipeline_steps.threats.perturbation" in code.modules
    assert "kornia" in code.packages


TREE = {
    "__init__.py": "",
    "perturbations/ripple.py": RIPPLE + "    from toy_plugin.shapes import SHAPE\n",
    "perturbations/other.py": "class Other:\n    size = 1\n",
    "shapes.py": "SHAPE = 1\n",
    "colours.py": "COLOUR = 1\n",
}


@pytest.mark.parametrize(
    ("file", "old", "new", "same"),
    [
        ("perturbations/ripple.py", "A ripple.", "Ripples.", True),
        ("perturbations/other.py", "1", "2", True),
        ("colours.py", "1", "2", True),
        ("shapes.py", "1", "1  # why", True),
        ("shapes.py", "1", "2", False),
        ("perturbations/ripple.py", "step_size", "step", False),
        ("__init__.py", "", "import toy_plugin.colours", False),
    ],
)
def test_an_edit_changes_the_digests_of_what_names_it(
    environment, file, old, new, same
):
    ours = {"threat": {"edit": {"perturbation": "pixel"}}}
    folder = environment.install(TREE)
    before, ours_before = digest.code(STEP, SPEC), digest.code(STEP, ours)
    assert (folder / file).read_text() == TREE[file]
    (folder / file).write_text(TREE[file].replace(old, new, 1))
    environment.forget()
    assert (digest.code(STEP, SPEC) == before) is same
    assert digest.code(STEP, ours) == ours_before


def test_a_syntax_error_is_told_with_file_and_line(environment):
    broken = "'''A word.'''\n\nclass Ripple\n    pass\n"
    folder = environment.install({"__init__.py": "", "perturbations/ripple.py": broken})
    with pytest.raises(PipelineError) as error:
        registry.words("perturbation")
    file = folder / "perturbations/ripple.py"
    assert str(error.value) == f"{file}, line 3 is not Python: expected ':'"


@pytest.mark.parametrize("content", [b"a = '\xff'\n", b"a = 1\0\n"])
def test_what_is_no_text_is_told_with_its_file(environment, content):
    folder = environment.install({"perturbations/ripple.py": ""})
    (folder / "perturbations/ripple.py").write_bytes(content)
    with pytest.raises(PipelineError, match=r"ripple\.py.* is not Python"):
        registry.words("perturbation")


def test_a_module_without_the_class_that_its_word_stands_for_is_refused(environment):
    environment.install(
        {"perturbations/ripple.py": RIPPLE.replace("class Ri", "class T")}
    )
    with pytest.raises(PipelineError, match=r"ripple\.py holds no class Ripple"):
        registry.words("perturbation")


def test_a_module_that_begins_with_a_dash_is_no_word(environment):
    environment.install({"perturbations/_shapes.py": "SHAPE = 1\n"})
    assert "_shapes" not in registry.words("perturbation")


def test_a_word_that_this_project_has_names_both_files(environment):
    code = RIPPLE.replace("Ripple", "Pixel")
    folder = environment.install({"perturbations/pixel.py": code})
    with pytest.raises(PipelineError) as error:
        registry.words("perturbation")
    assert str(error.value) == (
        "the perturbation 'pixel' is defined twice, in "
        "pipeline_steps/threats/perturbations/pixel.py and in "
        f"{folder}/perturbations/pixel.py of the plugin 'toy'; rename the plugin's"
    )


def test_a_word_of_two_plugins_names_both_files(environment):
    files = {"perturbations/ripple.py": RIPPLE}
    folder = environment.install(files)
    other = environment.install(files, "other_plugin", "other", "other-plugin")
    with pytest.raises(PipelineError) as error:
        registry.words("perturbation")
    assert f"{other}/perturbations/ripple.py and in {folder}/" in str(error.value)


def test_two_plugins_of_one_name_are_told_by_what_brought_them(environment):
    environment.install({"__init__.py": ""})
    environment.install({"__init__.py": ""}, "other_plugin", "toy", "other-plugin")
    with pytest.raises(PipelineError) as error:
        registry.words("perturbation")
    assert str(error.value) == (
        "two plugins are called 'toy', those of other-plugin 0.1 and of toy-plugin 0.1; "
        "uninstall one, or rename its entry point"
    )


@pytest.mark.parametrize(
    "package", ["gone", "gone.inside", "toy_plugin.gone", "a-b:c", "a_module"]
)
def test_a_plugin_whose_package_is_missing_is_told(environment, package):
    environment.install({}, package)
    (environment.site / "toy_plugin").mkdir()
    (environment.site / "a_module.py").touch()
    with pytest.raises(PipelineError) as error:
        registry.words("perturbation")
    assert str(error.value) == (
        f"the plugin 'toy' of toy-plugin 0.1 names {package.split(':')[0]}, which is "
        "not installed here; install it again, or uninstall it"
    )


def test_this_project_s_own_words_are_found_beside_a_broken_plugin(environment):
    """A job that uses nothing of it runs on."""
    environment.install({}, "gone")
    assert registry.load("objective", "margin").__name__ == "Margin"
    assert digest.code(STEP, {"threat": {"edit": {"perturbation": "pixel"}}}).digest
