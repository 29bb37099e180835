"""The vocabulary in which settings are declared, in the config and in the code.

A registered class declares what it takes with these words alone; `settings_of` reads
them from its source and makes the model that checks a config.
"""

import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    Tag,
    ValidationError,
    create_model,
)
from pydantic_core import CoreSchema, PydanticCustomError

from pipeline_steps.core import registry
from pipeline_steps.core.amounts import Amount as Amount
from pipeline_steps.core.amounts import Extent as Extent
from pipeline_steps.core.amounts import Radius as Radius

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


class Read(Settings):
    """What a registered class takes; there are no docstrings of its keys to search for."""

    model_config = ConfigDict(use_attribute_docstrings=False)


Word = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9+_-]*$")]
Count = Annotated[int, Gt(0)]
Whole = Annotated[int, Ge(0)]
# Only trials state it; a spec without it has no such key, so its job stays the same job.
Limit = Annotated[Count | None, Field(exclude_if=lambda limit: limit is None)]
Share = Annotated[float, Ge(0), Le(1)]
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
Norm = Literal["linf", "l2", "l1"]
Precision = Literal["float32", "bfloat16"]


DIGEST = r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$"
Digest = Annotated[str, StringConstraints(pattern=DIGEST)]


class Published(Settings):
    """A file as its authors published it."""

    name: str
    """What it is called, wherever it lies."""
    length: Count | None = None
    """In bytes."""
    digest: Digest | None = None
    """Its published checksum: `sha256:…`, or `md5:…`."""
    holds: dict[str, Digest | None] = Field(default_factory=dict)
    """If it is an archive, the files in it that are used, with their checksums."""


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
Defense = _named("defense")

# In a spec all names are resolved: a registered thing stands there with its settings.
Entry = dict[str, Any]

# What a data set or a step supplies, and no config may state.
GIVEN = ("classes", "size", "channels", "textures")


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
            text = sentence(dict(first), model_at(model, first["loc"][:-1]))
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
Inference = _choice("inference")
GeneratorModel = _choice("generator")
Source = _choice("source")
Corruption = _choice("corruption")
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
        word, __base__=Read, __doc__=registry.about(kind, word), **fields
    )


def wanted(kind: str, word: str) -> set[str]:
    """What a registered class must be given from its data set."""
    return {p.name for p in registry.parameters(kind, word)} & set(GIVEN)


def model_at(kind: Any, place: Iterable[Any]) -> type[BaseModel] | None:
    """The model that stands at a place inside of typed values, if one does."""
    for part in place:
        kind = _inside(kind, part)
    return kind if _is_model(kind) else None


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _inside(kind: Any, part: Any) -> Any:
    """The type that stands at one part of a place inside a typed value."""
    if typing.get_origin(kind) is Annotated:
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        for option in typing.get_args(kind):
            if Tag(str(part)) in typing.get_args(option):
                return typing.get_args(option)[0]
        kind = next(a for a in typing.get_args(kind) if a is not type(None))
    if _is_model(kind):
        found = kind.model_fields.get(str(part))
        return found.annotation if found else None
    arguments = typing.get_args(kind)
    return arguments[-1] if arguments else None


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
