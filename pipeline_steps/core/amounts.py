"""Amounts in a config: numbers, fractions, and multiples of a data set's budgets."""

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from pipeline_steps.core.errors import PipelineError

CHANGES_NO_RESULT = True


class Relative(str):
    """An amount relative to a data set's budget: `image/4`."""

    def resolve(self, budgets: Mapping[str, float]) -> float:
        factor, name, divisor = _parts(self)
        budget = Fraction(budgets[name]).limit_denominator(10**9)
        amount = float(factor * budget / divisor)
        if amount > 1:
            raise PipelineError(
                f"the amount '{self}' is {amount:g}, outside 0 to 1, as the budget "
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


def _amount(value: object, _: ValidationInfo) -> float | Relative:
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
                "'{value}' is not an amount: write a number, a fraction such as 8/255, or "
                "a multiple of a budget such as image/4 or 2*latent",
                {"value": value},
            ) from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PydanticCustomError(
            "amount", "an amount must be a number or a fraction", {}
        )
    if not 0 <= value <= 1:
        raise PydanticCustomError(
            "amount",
            "{value} is outside 0 to 1: images are in [0, 1] here, so write 8/255 for "
            "8 on the scale of 0 to 255",
            {"value": value},
        )
    return float(value)


def _extent(value: object, _: ValidationInfo) -> float:
    """0.5, "600/255": in the unit of the setting, and of any size."""
    number = -1.0
    if isinstance(value, str):
        with suppress(ValueError, ZeroDivisionError):
            number = float(Fraction(value.strip()))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
    if not 0 <= number < math.inf:
        raise PydanticCustomError(
            "amount",
            "'{value}' is not an extent: write a number or a fraction such as 600/255, of "
            "0 or more",
            {"value": value},
        )
    return number


def _radius(value: object, info: ValidationInfo) -> float | Relative:
    """An amount where the norm is linf, and else a length: "8/255", "image", "600/255"."""
    linf = info.data.get("norm", "linf") == "linf"
    return _amount(value, info) if linf else _extent(value, info)


@dataclass(frozen=True)
class _Written:
    """How a number is written in the config, and its form in the JSON schema.

    To mypy it is a float, and at run time it is one: a multiple of a budget becomes a
    number when the data set is known, before any class is given it.
    """

    number_of: Callable[[object, ValidationInfo], float | Relative]
    maximum: float | None = None

    def __get_pydantic_core_schema__(
        self, _source: object, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.with_info_before_validator_function(
            self.number_of, core_schema.any_schema()
        )

    def __get_pydantic_json_schema__(
        self, _core: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        limit = {} if self.maximum is None else {"maximum": self.maximum}
        return {
            "anyOf": [{"type": "number", "minimum": 0, **limit}, {"type": "string"}],
            "description": (self.number_of.__doc__ or "").strip(),
        }


Amount = Annotated[float, _Written(_amount, 1)]
Extent = Annotated[float, _Written(_extent)]
# The type of a setting that depends on the norm before it.
Radius = Annotated[float, _Written(_radius)]
