"""What YAML may do: say what is computed, in plain values, and nothing else."""

import os
from pathlib import Path

import pytest

from pipeline_steps.config.load import load_config
from pipeline_steps.config.yaml_files import FOLDER, read
from pipeline_steps.core.errors import PipelineError
from tests.hostile import Hostile, hostile


def refusal(root: Path, name: str, text: str) -> str:
    path = root / FOLDER / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    with pytest.raises(PipelineError) as caught:
        read(root, name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n"
    for a, b in zip("abcdefghij", "bcdefghijk", strict=True)
)


@hostile(
    Hostile(
        "a tag that calls a function",
        "refused",
        "a: !!python/object/apply:os.mkdir [evil]",
    ),
    Hostile("a tag that makes an object", "refused", "a: !!python/object/new:os.x {}"),
    Hostile("a tag that names a module", "refused", "a: !!python/module:os"),
    Hostile("a tag of its own", "refused", "a: !evil x"),
    Hostile(
        "aliases that stand for 7 * 10^9 values (a billion laughs)",
        "refused",
        LAUGHS,
    ),
    Hostile("an alias that holds itself", "refused", "a: &a [*a]"),
    Hostile(
        "100,000 brackets",
        "refused; before, Python crashed",
        "a: " + "[" * 100_000,
    ),
    Hostile("100,000 braces", "refused", "{a: " * 100_000),
    Hostile("100,000 lists on a line", "refused", "- " * 100_000 + "x"),
    Hostile("a number of 100,000 digits", "refused", "a: " + "9" * 100_000),
    Hostile("a null byte", "refused", "a: \0"),
    Hostile("a date that is none", "refused", "a: 2001-99-99"),
    Hostile("a key that is a list", "refused", "? [a]\n: b"),
)
def test_yaml_is_plain_values(
    bad: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refusal(tmp_path, "own", bad.value)
    assert not os.path.exists("evil")


@hostile(
    *(
        Hostile(f"the name `{name}`", "refused: no name", name)
        for name in (
            "a b",
            "a'b",
            'a"b',
            "a;touch evil",
            "$(touch evil)",
            "`touch evil`",
            "../evil",
            "a/b",
            "a\nb",
            "-rf",
            "{scale}",
            "*",
            "",
            "<script>",
            r"\input{x}",
            "A",
        )
    )
)
def test_a_name_in_yaml_is_of_small_letters(
    bad: Hostile, config_root: Path, edit: object
) -> None:
    """So it can be a part of a path, of a command and of a rule's wildcard."""
    import json

    own = {"datasets": {}, "models": {bad.value: {}}}
    (config_root / FOLDER / "own.yaml").write_text(json.dumps(own))
    with pytest.raises(PipelineError, match="a name is of small letters"):
        load_config("demo", config_root)


@hostile(
    *(
        Hostile(f"the scale `{scale}`", "refused: there is no such", scale)
        for scale in ("../demo", "demo; touch evil", "-x", "*", "", "{x}", "demo\n")
    )
)
def test_a_scale_is_one_of_the_files(bad: Hostile, config_root: Path) -> None:
    with pytest.raises(PipelineError, match="there is no scale"):
        load_config(bad.value, config_root)


def test_deep_is_more_than_brackets_in_text(tmp_path: Path) -> None:
    """Half-open ranges in notes leave brackets open; they are read as before."""
    path = tmp_path / FOLDER / "own.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("".join(f"a{i}: 'in [0, 1)'\n" for i in range(300)))
    assert len(read(tmp_path, "own")) == 300
