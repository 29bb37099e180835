"""The file defenses.yaml: how defenses are trained, and what each one is."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ConfigDict, field_validator
from pydantic_core import PydanticCustomError

from pipeline_steps.core.registry import did_you_mean
from pipeline_steps.core.settings import (
    ArchitectureEntry,
    Count,
    InferenceEntry,
    RecipeEntry,
    Settings,
    ThreatName,
    Whole,
    Word,
)
from pipeline_steps.defenses.spec import Schedule

# The only keys that a defense with another's weights may have.
NOT_TRAINED = {"title", "weights_of", "inference"}


class MonitorConfig(Settings):
    """Accuracy that is measured while a defense trains; the best epoch is kept."""

    threat: ThreatName
    """The threat under which accuracy is measured."""
    every: Count = 1
    """Epochs between measurements."""
    images: Count = 500
    """How many images are used."""
    of: Literal["held_out", "test"] = "held_out"
    """`held_out` uses the last training images, which the defense then doesn't train
    on. `test` uses the first test images, as papers do; but then the best epoch is
    chosen on images that evaluate it."""


def _needs_no_training(schema: dict[str, Any]) -> None:
    """What is said of another defense's training need not be said again."""
    trained = [key for key in schema["required"] if key not in NOT_TRAINED]
    schema["required"] = [key for key in schema["required"] if key in NOT_TRAINED]
    schema["anyOf"] = [{"required": trained}, {"required": ["weights_of"]}]


class Defense(Settings):
    """A network, the recipe that trains it, and the name of its schedule."""

    model_config = ConfigDict(json_schema_extra=_needs_no_training)

    title: str
    """What it is, in words, with the paper's place."""
    architecture: ArchitectureEntry
    """The network."""
    recipe: RecipeEntry
    """Which images it trains on, and with which loss."""
    schedule: Word
    """One of `schedules`."""
    companion: ArchitectureEntry | None = None
    """A second network that is trained on logits: ATLD's discriminator."""
    weights_of: Word | None = None
    """Another defense whose trained weights this one uses; then only title and
    inference are given here."""
    inference: InferenceEntry | None = None
    """What it does to images before it answers; training doesn't use it."""
    monitor: MonitorConfig | None = None
    """Accuracy measured during training; a row may then name `NAME.best`."""
    snapshots: Whole = 0
    """How many times weights are kept during training, for curves."""
    snapshots_at_drops: bool = False
    """Whether weights are also kept before and after each drop of the learning rate."""


class Defenses(Settings):
    """Defenses, and the schedules that they share."""

    schedules: dict[Word, Schedule]
    """Schedules by name."""
    defenses: dict[Word, Defense]
    """Defenses by the names used in tables and paths."""

    @field_validator("defenses", mode="before")
    @classmethod
    def _same_training(cls, entries: Any) -> Any:
        """A defense with another's weights takes everything else from that defense."""
        if not isinstance(entries, Mapping):
            return entries
        return {
            name: _with_training(name, entry, entries)
            for name, entry in entries.items()
        }


def _with_training(name: str, entry: Any, entries: Mapping[str, Any]) -> Any:
    """A defense's entry, completed from the defense whose weights it uses."""
    if not isinstance(entry, Mapping) or not entry.get("weights_of"):
        return entry
    trained = entry["weights_of"]
    whose = f"'{trained}', whose weights '{name}' is to have"
    inside = {"inside": (name, "weights_of")}
    if not isinstance(trained, str) or not isinstance(entries.get(trained), Mapping):
        text = f"there is no defense {whose}{did_you_mean(str(trained), entries)}"
        raise PydanticCustomError("name", text, inside)
    if "weights_of" in entries[trained]:
        text = f"the defense {whose}, has no training of its own; name the one that is trained"
        raise PydanticCustomError("name", text, inside)
    return {**entries[trained], **entry}
