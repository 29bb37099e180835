"""Settings are typed, amounts lie in [0, 1], and errors bring the nearest valid name."""

from typing import Literal

import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline_steps.core import registry
from pipeline_steps.core.amounts import Relative
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.settings import (
    Amount,
    Count,
    Extent,
    PerturbationEntry,
    settings_of,
)

BUDGETS = {"image": 8 / 255, "latent": 0.02}


def amount(value):
    return TypeAdapter(Amount).validate_python(value)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("8/255", 8 / 255),
        (0.02, 0.02),
        (0, 0.0),
        (1, 1.0),
        ("1e-3", 1e-3),
        (" 1/4 ", 0.25),
    ],
)
def test_an_amount_is_a_number_or_a_fraction(written, meant):
    assert amount(written) == meant
    assert isinstance(amount(written), float)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("image", 8 / 255),
        ("image/4", 2 / 255),
        ("2*image", 16 / 255),
        ("5/2*latent", None),
        ("2.5*latent", 0.05),
        ("0*image", 0.0),
        ("3 * latent / 4", 0.015),
    ],
)
def test_an_amount_may_be_a_multiple_of_a_budget(written, meant):
    if meant is None:
        with pytest.raises(ValidationError):
            amount(written)
        return
    relative = amount(written)
    assert isinstance(relative, Relative)
    assert relative.resolve(BUDGETS) == pytest.approx(meant, rel=1e-7, abs=1e-12)


@pytest.mark.parametrize("written", [8, 1.5, -0.1, "-1/255", "9/8", float("nan")])
def test_an_amount_outside_of_0_to_1_is_refused_with_the_way_to_write_it(written):
    with pytest.raises(ValidationError, match=r"outside 0 to 1.*write 8/255 for"):
        amount(written)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "eight",
        "8/0",
        "imagine/4",
        "image/x",
        "x*image",
        "image*2",
        "image/0",
        "-1*image",
    ],
)
def test_nonsense_is_no_amount(written):
    with pytest.raises(ValidationError, match="is not an amount"):
        amount(written)


@pytest.mark.parametrize("written", [None, True, [0.1], {"image": 1}])
def test_an_amount_is_no_other_type(written):
    with pytest.raises(ValidationError, match="a number or a fraction"):
        amount(written)


def test_a_multiple_that_leaves_0_to_1_is_refused_when_the_budget_is_known():
    assert amount("20*image").resolve({"image": 0.05}) == 1.0
    with pytest.raises(PipelineError, match=r"'20\*image' is 2, outside 0 to 1"):
        amount("20*image").resolve({"image": 0.1})


def perturbation(value):
    return TypeAdapter(PerturbationEntry).validate_python(value)


def test_a_choice_is_a_word_or_a_word_with_settings_and_brings_its_defaults():
    assert perturbation("nothing") == {"perturbation": "nothing"}
    pixel = {"perturbation": "pixel", "epsilon": "8/255", "step_size": 0.1}
    assert perturbation(pixel) == {
        "perturbation": "pixel",
        "epsilon": 8 / 255,
        "step_size": 0.1,
        "norm": "linf",
        "start_at": "random",
        "boxed": True,
        "frank_wolfe": False,
    }


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("pixle", "no perturbation 'pixle'; did you mean 'pixel'?"),
        (5, "name a perturbation, such as"),
        ({"epsilon": 1}, "name a perturbation, such as"),
        ("pixel", "in perturbation 'pixel': the key 'epsilon' is missing"),
        (
            {"perturbation": "pixel", "epsilon": 0.1, "step_size": 0, "stat_at": 1},
            "unknown key 'stat_at'; did you mean 'start_at'?",
        ),
        (
            {
                "perturbation": "pixel",
                "epsilon": 0.1,
                "step_size": 0,
                "start_at": "one",
            },
            "'unclipped' or 'nearby-unclipped', not 'one'",
        ),
    ],
)
def test_a_wrong_choice_is_told_with_the_nearest_valid_name(written, told):
    with pytest.raises(ValidationError) as caught:
        perturbation(written)
    assert told in str(caught.value)


@pytest.fixture
def declared(monkeypatch, tmp_path):
    """The settings of a class `Fuzzy`, from its source; the real registry is kept."""

    def read(*lines):
        folder = tmp_path / "pipeline_steps/threats/perturbations"
        folder.mkdir(parents=True, exist_ok=True)
        body = "".join(f"    {line}\n" for line in lines)
        (folder / "fuzzy.py").write_text(f"class Fuzzy:\n{body}")
        monkeypatch.setattr(registry, "ROOT", tmp_path)
        forget()
        return settings_of.__wrapped__("perturbation", "fuzzy")

    def forget():
        cached = (registry._source, registry.parameters)
        for function in (*cached, registry.words, registry.own_words):
            function.cache_clear()

    yield read
    forget()


def test_settings_are_read_from_the_words_of_their_types_and_nothing_is_run(declared):
    fields = declared(
        "epsilon: Amount",
        "norm: Literal['l1', 'l2'] = 'l1'",
        "parts: dict[str, list[Count]] | None = None",
        "offset: float = -0.5",
    ).model_fields
    assert [name for name, field in fields.items() if field.is_required()] == [
        "epsilon"
    ]
    assert fields["norm"].annotation == Literal["l1", "l2"]
    assert fields["parts"].annotation == dict[str, list[Count]] | None
    assert fields["offset"].default == -0.5


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (
            "width: Cuont",
            "the setting 'width' has the type Cuont, which the config ",
        ),
        ("width: Cuont", "did you mean 'Count'?"),
        (
            "width: torch.Tensor",
            "has the type torch.Tensor, which the config can't express",
        ),
        (
            "width: print('x')",
            "has the type print('x'), which the config can't express",
        ),
        (
            "width: Count = len('x')",
            "has the default len('x'), which is not a constant",
        ),
        ("def __init__(self, width): pass", "the setting 'width' has no type"),
    ],
)
def test_a_declaration_that_can_t_be_read_is_a_sentence(declared, line, complaint):
    with pytest.raises(PipelineError) as caught:
        declared(line)
    assert complaint in str(caught.value)
    where = "pipeline_steps/threats/perturbations/fuzzy.py: Fuzzy: the setting"
    assert str(caught.value).startswith(where)


def test_what_the_data_set_supplies_cannot_be_set():
    fields = settings_of("architecture", "small_cnn").model_fields
    assert set(fields) == {"width"}


@pytest.mark.parametrize(
    ("written", "meant"),
    [("600/255", 600 / 255), (0, 0.0), (1024, 1024.0), ("0.3", 0.3)],
)
def test_an_extent_may_be_of_any_size(written, meant):
    assert TypeAdapter(Extent).validate_python(written) == meant


@pytest.mark.parametrize("written", [-1, "image", "1/0", True, None, [1], float("nan")])
def test_what_is_no_extent_is_told(written):
    with pytest.raises(ValidationError, match="is not an extent"):
        TypeAdapter(Extent).validate_python(written)


def pixel(**more):
    entry = {"perturbation": "pixel", "step_size": 0, **more}
    return TypeAdapter(PerturbationEntry).validate_python(entry)


def test_a_radius_is_an_amount_under_linf_and_an_extent_elsewhere():
    assert pixel(epsilon="image")["epsilon"] == Relative("image")
    assert pixel(norm="l2", epsilon="600/255")["epsilon"] == 600 / 255
    with pytest.raises(ValidationError, match="outside 0 to 1"):
        pixel(norm="linf", epsilon=8)
    with pytest.raises(ValidationError, match="outside 0 to 1"):
        pixel(epsilon=8)
    with pytest.raises(ValidationError, match="is not an extent"):
        pixel(norm="l1", epsilon="image")
