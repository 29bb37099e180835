"""The vocabulary in which settings are declared, in the config and in the code.

A registered class declares what it takes in words of the `VOCABULARY`; `settings_of` reads
them from the syntax tree of its source and makes the model that checks a config. Nothing
of the class is imported or run, so a config is checked without loading torch.
"""

import ast
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeGuard

from annotated_types import Ge, Gt, Le
from pydantic import (
    AllowInfNan,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    Tag,
    ValidationError,
    create_model,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from pipeline_steps.core import registry
from pipeline_steps.core.amounts import Amount as Amount
from pipeline_steps.core.amounts import Extent as Extent
from pipeline_steps.core.amounts import Radius as Radius
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


class Read(Settings):
    """The settings of a registered class, which have no docstrings of their own."""

    model_config = ConfigDict(use_attribute_docstrings=False)


WORD = r"^[a-z0-9][a-z0-9+_-]*$"
Word = Annotated[str, StringConstraints(pattern=WORD)]
Count = Annotated[int, Gt(0)]
Whole = Annotated[int, Ge(0)]
# Only trials state it. A spec without it has no such key, so its digest stays the same.
Limit = Annotated[Count | None, Field(exclude_if=lambda limit: limit is None)]
Share = Annotated[float, Ge(0), Le(1)]
Positive = Annotated[float, Gt(0), AllowInfNan(False)]
NotNegative = Annotated[float, Ge(0), AllowInfNan(False)]
Norm = Literal["linf", "l2", "l1"]
Precision = Literal["float32", "tf32", "bfloat16"]
# Whether passes are compiled; `graphs` also replays them as CUDA graphs.
Compiled = bool | Literal["graphs"]
# These leave their defaults out of specs, so that a job without them stays the same job.
AlsoCompiled = Annotated[Compiled, Field(exclude_if=lambda compiled: not compiled)]
Deterministic = Annotated[bool, Field(exclude_if=lambda deterministic: deterministic)]


DIGEST = r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$"
Digest = Annotated[str, StringConstraints(pattern=DIGEST)]
FACTORY = r"^[^:]+:[A-Za-z_]\w*$"

# What is meant by a pattern, for those who can't read it.
PATTERNS = MappingProxyType(
    {
        WORD: "a name is of small letters, digits, `-`, `_` and `+`, and begins with a "
        "letter or a digit",
        DIGEST: "a checksum is written `sha256:…` or `md5:…`, in hexadecimal digits",
        FACTORY: "a function is named `FILE.py:NAME` or `MODULE:NAME`",
    }
)


class Published(Settings):
    """A file as its authors published it."""

    name: str
    """Its file name."""
    length: Count | None = None
    """Its size in bytes."""
    digest: Digest | None = None
    """Its published checksum: `sha256:…`, or `md5:…`."""
    holds: dict[str, Digest | None] = Field(default_factory=dict)
    """For an archive: the files in it that are used, with their checksums."""


class Name(str):
    """The name of a config entry, marked with what it is a name of."""

    kind: str


@dataclass(frozen=True)
class Named:
    """Marks a setting that names an entry of another config file, by its word."""

    kind: str

    def name_of(self, value: object) -> Name:
        if not isinstance(value, str):
            raise PydanticCustomError(
                "name",
                "it should be the name of a {kind}, not {value}",
                {"kind": self.kind, "value": kind_of(value)},
            )
        name = Name(value)
        name.kind = self.kind
        return name

    def __get_pydantic_core_schema__(
        self, _source: object, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(
            self.name_of, core_schema.any_schema()
        )

    def __get_pydantic_json_schema__(
        self, _core: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "description": f"the name of a {self.kind}"}


# In a config these are names; at run time the object itself takes their place.
GeneratorName = Annotated[Name, Named("generator")]
ThreatName = Annotated[Name, Named("threat")]
DefenseName = Annotated[Name, Named("defense")]


# In a spec all names are resolved: each becomes a registered class with its settings.
Entry = dict[str, Any]

# Where something stands in settings: `tables`, `table1`, `rows`, 3.
KeyPath = tuple[str | int, ...]
# How many characters of a wrong value are shown.
SHOWN = 40

# What a data set or a step supplies, so a config may not state it.
GIVEN = ("classes", "size", "channels", "textures")


@dataclass(frozen=True)
class Choice:
    """Marks a setting that is a registered thing: its word, or its word and settings."""

    kind: str

    def entry_of(self, value: object) -> Entry:
        """The word and all settings, those that are not stated by their defaults."""
        kind = self.kind
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
            key, text = first_error(error, model)
            text = f"in {kind} '{word}': {text}"
            raise PydanticCustomError("choice", text, {"inside": key}) from None
        fields = type(checked).model_fields
        return {kind: word, **{name: getattr(checked, name) for name in fields}}

    def __get_pydantic_core_schema__(
        self, _source: object, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(
            self.entry_of, core_schema.any_schema()
        )

    def __get_pydantic_json_schema__(
        self, _core: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        # What the words are and take is told once a kind, beside the other definitions.
        return {"registered": self.kind}


PerturbationEntry = Annotated[Entry, Choice("perturbation")]
AttackEntry = Annotated[Entry, Choice("attack")]
ObjectiveEntry = Annotated[Entry, Choice("objective")]
ArchitectureEntry = Annotated[Entry, Choice("architecture")]
RecipeEntry = Annotated[Entry, Choice("recipe")]
InferenceEntry = Annotated[Entry, Choice("inference")]
GeneratorEntry = Annotated[Entry, Choice("generator")]
SourceEntry = Annotated[Entry, Choice("source")]
FigureEntry = Annotated[Entry, Choice("figure")]


# What the config may state where a registered class declares this type. A class of a lower
# floor, such as `Threat`, stands here by its name alone, so that no floor is imported.
VOCABULARY: Mapping[str, Any] = MappingProxyType(
    {
        "bool": bool,
        "int": int,
        "float": float,
        "str": str,
        "list": list,
        "dict": dict,
        "Literal": Literal,
        "Word": Word,
        "Count": Count,
        "Whole": Whole,
        "Share": Share,
        "Positive": Positive,
        "NotNegative": NotNegative,
        "Norm": Norm,
        "Amount": Amount,
        "Extent": Extent,
        "Radius": Radius,
        "Published": Published,
        "Threat": ThreatName,
        "Generator": GeneratorName,
        "Victim": DefenseName,
        "Perturbation": PerturbationEntry,
        "Objective": ObjectiveEntry,
        "Attack": AttackEntry,
        "Architecture": ArchitectureEntry,
    }
)


@cache
def settings_of(kind: str, word: str) -> type[Settings]:
    """The model of what a registered class takes, read from its source."""
    fields: dict[str, Any] = {}
    for parameter in registry.parameters(kind, word):
        if parameter.name in GIVEN:
            continue
        try:
            fields[parameter.name] = _field(parameter)
        except _Unreadable as what:
            raise PipelineError(
                f"{registry.path_of(kind, word)}: {registry.class_name(word)}: the "
                f"setting '{parameter.name}' {what}"
            ) from None
    return create_model(
        word, __base__=Read, __doc__=registry.about(kind, word), **fields
    )


class _Unreadable(Exception):
    """Why a declaration can't be read without running it."""


def _field(parameter: registry.Parameter) -> tuple[Any, Any]:
    """A parameter as pydantic wants it: its type, and its default or `...`."""
    if parameter.annotation is None:
        raise _Unreadable("has no type")
    kind = _type_of(parameter.annotation)
    if parameter.default is None:
        return kind, ...
    try:
        return kind, ast.literal_eval(parameter.default)
    except ValueError:
        text = ast.unparse(parameter.default)
        raise _Unreadable(f"has the default {text}, which is not a constant") from None


def _type_of(node: ast.expr) -> Any:
    """The type that an annotation spells in words of the vocabulary."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name) if name in VOCABULARY:
            return VOCABULARY[name]
        case ast.Name(id=name):
            near = registry.did_you_mean(name, VOCABULARY)
            raise _Unreadable(
                f"has the type {name}, which the config can't express{near}"
            )
        case ast.Subscript(value=whole, slice=inside):
            return _type_of(whole)[_type_of(inside)]
        case ast.Tuple(elts=parts):
            return tuple(map(_type_of, parts))
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _type_of(left) | _type_of(right)
    raise _Unreadable(
        f"has the type {ast.unparse(node)}, which the config can't express"
    )


def wanted(kind: str, word: str) -> set[str]:
    """What a registered class must be given from its data set."""
    return {p.name for p in registry.parameters(kind, word)} & set(GIVEN)


def model_at(kind: object, path: Iterable[object]) -> type[BaseModel] | None:
    """The model that stands at a place inside of typed values, if one does."""
    for part in path:
        kind = _inside(kind, part)
    return kind if _is_model(kind) else None


def _is_model(kind: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _inside(kind: object, part: object) -> object:
    """The type that stands at one part of a place inside a typed value."""
    if typing.get_origin(kind) is Annotated:
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        for option in typing.get_args(kind):
            if Tag(str(part)) in typing.get_args(option):
                return typing.get_args(option)[0]
        kind = next(a for a in typing.get_args(kind) if a is not type(None))
    if _is_model(kind):
        field = kind.model_fields.get(str(part))
        return field.annotation if field else None
    arguments = typing.get_args(kind)
    return arguments[-1] if arguments else None


def first_error(error: ValidationError, kind: object) -> tuple[KeyPath, str]:
    """The first of pydantic's errors: where it is, and a sentence about it."""
    first: dict[str, Any] = dict(error.errors()[0])
    loc = [part for part in first["loc"] if part != "[key]"]
    text = sentence(first, model_at(kind, loc[:-1]))
    # A part in brackets tells which of several models it is, and no place.
    key = (part for part in loc if not str(part).startswith("["))
    return (*key, *first.get("ctx", {}).get("inside", ())), text


# What is wanted where a value is of another kind, by pydantic's name of the error.
WANTED = MappingProxyType(
    {
        "model_type": "it should hold settings, `key: value`",
        "model_attributes_type": "it should hold settings, `key: value`",
        "dict_type": "it should hold settings, `key: value`",
        "list_type": "it should be a list, `[…]`",
        "string_type": "it should be text, in quotes where it looks like something else",
    }
)


def sentence(error: dict[str, Any], model: type[BaseModel] | None) -> str:
    """One of pydantic's errors in this project's words, with the nearest valid key."""
    key = str(error["loc"][-1]) if error["loc"] else ""
    if error["type"] == "extra_forbidden":
        fields = set(model.model_fields) if model else set()
        return f"unknown key '{key}'{registry.did_you_mean(key, fields)}"
    if error["type"] == "missing":
        return f"the key '{key}' is missing"
    text = str(error["msg"])
    if error["type"] in ("choice", "amount", "name") or "input" not in error:
        return text
    pattern = error.get("ctx", {}).get("pattern")
    usual = f"{text[0].lower()}{text[1:]}"
    wanted = PATTERNS.get(pattern) or WANTED.get(error["type"]) or usual
    return f"{wanted}, not {kind_of(error['input'])}"


def kind_of(value: object) -> str:
    """What a value is, as a person who writes YAML calls it, and how it begins."""
    text = " ".join(repr(value).split())
    short = text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
    match value:
        case None:
            return "nothing"
        case list():
            return f"the list {short}"
        case Mapping():
            return f"the settings {short}"
    return short
