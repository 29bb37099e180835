"""Attacks cut short, for scales where all that counts is that they run."""

from collections.abc import Mapping
from typing import Any


def limited(attack: Any, limits: Mapping[str, int]) -> Any:
    """An attack's settings, and those of its parts, with no count above its limit."""
    if isinstance(attack, list):
        return [limited(part, limits) for part in attack]
    if not isinstance(attack, Mapping):
        return attack
    counts = {key: min(attack[key], limits[key]) for key in limits if attack.get(key)}
    return {key: limited(value, limits) for key, value in attack.items()} | counts
