"""Each registered word is a class that loads, says what it is, and takes what is read."""

import ast
import dataclasses
import inspect
import py_compile

import pytest

from pipeline_steps.core import registry
from pipeline_steps.core.errors import PipelineError

WORDS = [(kind, word) for kind in registry.FOLDERS for word in registry.words(kind)]
every_word = pytest.mark.parametrize(("kind", "word"), WORDS)


def taken_by(cls):
    """What a class takes in truth: names, and defaults as their source."""
    if dataclasses.is_dataclass(cls):
        missing = dataclasses.MISSING
        return {
            f.name: None if f.default is missing else f.default
            for f in dataclasses.fields(cls)
        }
    if "__init__" not in vars(cls):
        return {}
    empty = inspect.Parameter.empty
    return {
        p.name: None if p.default is empty else p.default
        for p in inspect.signature(cls).parameters.values()
    }


@pytest.mark.parametrize("kind", registry.FOLDERS)
def test_every_kind_has_a_word(kind):
    assert registry.words(kind)


@every_word
def test_what_is_read_from_the_source_is_what_the_class_takes(kind, word):
    read = {
        p.name: None if p.default is None else ast.literal_eval(p.default)
        for p in registry.parameters(kind, word)
    }
    assert read == taken_by(registry.load(kind, word))


@pytest.mark.parametrize(
    ("kind", "word"), [(k, w) for k in registry.FOLDERS for w in registry.words(k)]
)
def test_every_word_is_documented(kind, word):
    assert registry.about(kind, word).endswith(".")
    assert registry.load(kind, word).__name__ == registry.class_name(word)


def test_every_module_of_a_folder_of_entries_is_an_entry():
    """A class that does not bear its module's name would be silently left out."""
    for kind, package in registry.FOLDERS.items():
        if package.count(".") > 1:
            folder = registry.ROOT / package.replace(".", "/")
            modules = {p.stem for p in folder.glob("*.py")} - {"__init__"}
            assert modules == set(registry.words(kind))


def test_an_unknown_word_brings_the_nearest_known_one():
    with pytest.raises(
        PipelineError, match=r"no recipe 'ijsta'; did you mean 'ijsat'\?"
    ):
        registry.load("recipe", "ijsta")
    with pytest.raises(PipelineError, match=r"valid: .*cross_entropy"):
        registry.make("objective", {"objective": "zzz"})


@pytest.mark.parametrize("word", ["../catalogue", "os", "__init__", "Pixel"])
def test_no_other_module_can_be_reached_by_a_word(word):
    with pytest.raises(PipelineError, match="there is no perturbation"):
        registry.load("perturbation", word)


def test_make_builds_from_settings_and_what_is_given():
    entry = {"perturbation": "pixel", "epsilon": 0.1, "step_size": 0.5}
    made = registry.make("perturbation", entry, step_size=0.2)
    assert (made.epsilon, made.step_size, made.start_at) == (0.1, 0.2, "random")


def test_entries_are_found_at_any_depth_by_their_words_alone():
    spec = {
        "recipe": {"recipe": "at", "threat": {"edit": {"perturbation": "together"}}},
        "parts": [{"perturbation": "pixel"}, {"generator": {"generator": "glow"}}],
        "name": "latent",
        "objective": None,
    }
    assert registry.entries(spec) == {
        ("recipe", "at"),
        ("perturbation", "together"),
        ("perturbation", "pixel"),
        ("generator", "glow"),
    }


def test_a_file_that_is_not_python_is_named_though_no_job_uses_it(tmp_path):
    package = tmp_path / "pipeline_steps/jobs"
    package.mkdir(parents=True)
    good, bad = package / "good.py", package / "specs.py"
    good.write_text("x = 1\n")
    bad.write_text("x = 1\n")
    py_compile.compile(str(bad), doraise=True)
    registry.refuse_broken_code(tmp_path)
    bad.write_text("x = 1\n\ndef broken(:\n")
    with pytest.raises(PipelineError, match=r"jobs/specs\.py, line 3 is not Python"):
        registry.refuse_broken_code(tmp_path)
