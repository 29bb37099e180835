"""The vocabulary in which settings are declared, in the config and in the code.

A registered class declares what it takes with these words alone; `settings_of` reads
them from its source and makes the model that checks a config.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from types import MappingProxyType
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetJsonSchemaHandler,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    create_model,
)
from pydantic_core import CoreSchema, PydanticCustomError

from pipeline_steps.core import registry
from pipeline_steps.core.errors import PipelineError

CHANGES_NO_RESULT = True


class Settings(BaseModel):
    """Settings of any kind: typed, fixed, and without unknown keys."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        protected_namespaces=(),
        use_attribute_docstrings=True,
        validate_default=True,
    )


Word = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9+_-]*$")]
Count = Annotated[int, Gt(0)]
Whole = Annotated[int, Ge(0)]
Share = Annotated[float, Ge(0), Le(1)]
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
Norm = Literal["linf", "l2", "l1"]


class Relative(str):
    """An amount that stands in proportion to a data set's budget: `image/4`."""

    def resolve(self, budgets: Mapping[str, float]) -> float:
        factor, name, divisor = _parts(self)
        budget = Fraction(budgets[name]).limit_denominator(10**9)
        amount = float(factor * budget / divisor)
        if amount > 1:
            raise PipelineError(
                f"the amount '{self}' is {amount:g}, outside 0 to 1, where the budget "
                f"'{name}' of the data set is {budgets[name]:g}"
            )
        return amount


BUDGETS = ("image", "latent")


def _parts(text: str) -> tuple[Fraction, str, Fraction]:
    head, _, divisor = text.partition("/")
    factor, _, name = head.rpartition("*")
    times, over = Fraction(factor or "1"), Fraction(divisor or "1")
    if name.strip() not in BUDGETS or times < 0 or over <= 0:
        raise ValueError(text)
    return times, name.strip(), over


def _amount(value: Any) -> Any:
    """0.02, "8/255", or a multiple of the data set's budget: "image/4", "2*image"."""
    if isinstance(value, str):
        try:
            if any(name in value for name in BUDGETS):
                _parts(value)
                return Relative(value)
            value = float(Fraction(value.strip()))
        except (ValueError, ZeroDivisionError):
            raise PydanticCustomError(
                "amount",
                "'{value}' is no amount: write a number, a fraction such as 8/255, or "
                "a multiple of a budget such as image/4 or 2*latent",
                {"value": value},
            ) from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PydanticCustomError("amount", "an amount is a number or a fraction", {})
    if not 0 <= value <= 1:
        raise PydanticCustomError(
            "amount",
            "{value} is outside 0 to 1: images are in [0, 1] here, so write 8/255 for "
            "8 on the scale of 0 to 255",
            {"value": value},
        )
    return float(value)


def _extent(value: Any) -> Any:
    """0.5, "600/255": in the unit that the setting tells, and of any size."""
    written = value
    if isinstance(value, str):
        try:
            value = float(Fraction(value.strip()))
        except (ValueError, ZeroDivisionError):
            value = None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value < math.inf:
        raise PydanticCustomError(
            "amount",
            "'{value}' is no extent: write a number or a fraction such as 600/255, of "
            "0 or more",
            {"value": written},
        )
    return float(value)


def _radius(value: Any, info: ValidationInfo) -> Any:
    """An amount where the norm is linf, and else a length: "8/255", "image", "600/255"."""
    linf = info.data.get("norm", "linf") == "linf"
    return _amount(value) if linf else _extent(value)


@dataclass(frozen=True)
class _AmountSchema:
    """How an amount stands in the JSON schema."""

    validator: Any
    maximum: float | None = None

    def __get_pydantic_json_schema__(
        self, _core: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        limit = {} if self.maximum is None else {"maximum": self.maximum}
        return {
            "anyOf": [{"type": "number", "minimum": 0, **limit}, {"type": "string"}],
            "description": (self.validator.__doc__ or "").strip(),
        }


Amount = Annotated[Any, BeforeValidator(_amount), _AmountSchema(_amount, 1)]
Extent = Annotated[Any, BeforeValidator(_extent), _AmountSchema(_extent)]
# What a class declares after its norm.
Radius = Annotated[Any, BeforeValidator(_radius), _AmountSchema(_radius)]


@dataclass(frozen=True)
class Named:
    """Marks a setting that names an entry of another config file, by its word."""

    kind: str

    def __get_pydantic_json_schema__(
        self, _core: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "description": f"the name of a {self.kind}"}


class Name(str):
    """The name of a config entry, marked with what it is a name of."""

    kind: str


def _named(kind: str) -> Any:
    def mark(value: Any) -> Any:
        if not isinstance(value, str):
            raise PydanticCustomError("name", "the name of a {kind}", {"kind": kind})
        name = Name(value)
        name.kind = kind
        return name

    return Annotated[Any, BeforeValidator(mark), Named(kind)]


# In a config these are names; at run time the thing itself stands in their place.
Generator = _named("generator")
Threat = _named("threat")

# In a spec all names are resolved: a registered thing stands there with its settings.
Entry = dict[str, Any]

# What a data set supplies, and no config may state.
GIVEN = ("classes", "size", "channels")


@dataclass(frozen=True)
class Choice:
    """Marks a setting that is a registered thing: its word, or its word and settings."""

    kind: str

    def __get_pydantic_json_schema__(
        self, _core: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        # What the words are and take is told once a kind, beside the other definitions.
        return {"registered": self.kind}


def _choice(kind: str) -> Any:
    def check(value: Any) -> Any:
        entry = {kind: value} if isinstance(value, str) else value
        if not isinstance(entry, Mapping) or not isinstance(entry.get(kind), str):
            raise PydanticCustomError(
                "choice",
                "name a {kind}, such as '{first}', with its settings beside it",
                {"kind": kind, "first": next(iter(registry.words(kind)), "…")},
            )
        word = entry[kind]
        if word not in registry.words(kind):
            raise PydanticCustomError("choice", registry.unknown(kind, word), {})
        settings = {key: item for key, item in entry.items() if key != kind}
        model = settings_of(kind, word)
        try:
            checked = model.model_validate(settings)
        except ValidationError as error:
            first = error.errors()[0]
            text = sentence(dict(first), model)
            place = ".".join(str(part) for part in first["loc"])
            text = f"in {kind} '{word}': {place}: {text}"
            raise PydanticCustomError("choice", text, {}) from None
        fields = type(checked).model_fields
        return {kind: word, **{name: getattr(checked, name) for name in fields}}

    return Annotated[Any, BeforeValidator(check), Choice(kind)]


Perturbation = _choice("perturbation")
Attack = _choice("attack")
Objective = _choice("objective")
Architecture = _choice("architecture")
Recipe = _choice("recipe")
GeneratorModel = _choice("generator")
Source = _choice("source")
Figure = _choice("figure")


VOCABULARY = MappingProxyType(dict(globals()))


@cache
def settings_of(kind: str, word: str) -> type[Settings]:
    """The model of what a registered class takes, read from its source."""
    fields: dict[str, Any] = {}
    for parameter in registry.parameters(kind, word):
        if parameter.name in GIVEN:
            continue
        annotation = eval(parameter.annotation, dict(VOCABULARY))
        default = ... if parameter.default is None else eval(parameter.default)
        fields[parameter.name] = (annotation, default)
    return create_model(
        word, __base__=Settings, __doc__=registry.about(kind, word), **fields
    )


def wanted(kind: str, word: str) -> set[str]:
    """What a registered class must be given from its data set."""
    return {p.name for p in registry.parameters(kind, word)} & set(GIVEN)


def sentence(error: dict[str, Any], model: type[BaseModel] | None) -> str:
    """One of pydantic's errors in this project's words, with the nearest valid key."""
    key = str(error["loc"][-1]) if error["loc"] else ""
    if error["type"] == "extra_forbidden":
        fields = set(model.model_fields) if model else set()
        return f"unknown key '{key}'{registry.did_you_mean(key, fields)}"
    if error["type"] == "missing":
        return f"the key '{key}' is missing"
    text = str(error["msg"])
    if "input" in error and error["type"] not in ("choice", "amount", "name"):
        text = f"{text[0].lower()}{text[1:]}, not {error['input']!r}"
    return text
