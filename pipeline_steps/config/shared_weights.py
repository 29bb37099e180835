"""Defenses that are one trained network, and differ in what they do at inference."""

from collections.abc import Mapping
from typing import Any

from pydantic_core import PydanticCustomError

from pipeline_steps.core.registry import did_you_mean

# All that a defense with the weights of another may say of itself.
OWN = {"title", "weights_of", "inference"}


def whole(name: str, entry: Any, told: Mapping[str, Any]) -> Any:
    """A defense's entry with what the one says whose weights it has."""
    if not isinstance(entry, Mapping) or not entry.get("weights_of"):
        return entry
    trained = entry["weights_of"]
    whose = f"defense '{trained}' whose weights '{name}' has"
    if not isinstance(told.get(trained), Mapping):
        text = f"there is no {whose}{did_you_mean(str(trained), told)}"
        raise PydanticCustomError("name", text)
    if "weights_of" in told[trained]:
        text = f"the {whose} has no training of its own; name the one that is trained"
        raise PydanticCustomError("name", text)
    return {**told[trained], **entry}
