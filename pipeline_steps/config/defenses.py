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

# All that a defense with the weights of another may say of itself.
NOT_TRAINED = {"title", "weights_of", "inference"}


class MonitorConfig(Settings):
    """Accuracy that is watched while a defense is trained; the best epoch is kept."""

    threat: ThreatName
    """Under which threat."""
    every: Count = 1
    """Epochs from one look to the next."""
    images: Count = 500
    """How many images are looked at."""
    of: Literal["held_out", "test"] = "held_out"
    """The last images for training, which are then not learned from, or the first test
    images, as papers do: then what is called best was chosen on images that judge it."""


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
    """Which images it learns from, and by which loss."""
    schedule: Word
    """One of `schedules`."""
    companion: ArchitectureEntry | None = None
    """A network trained along, on logits: ATLD's discriminator."""
    weights_of: Word | None = None
    """Another defense, of which this is the trained network; all but the title and the
    inference is then said there."""
    inference: InferenceEntry | None = None
    """What it does to images before it answers; training knows nothing of it."""
    monitor: MonitorConfig | None = None
    """What is watched on the way; a row may then name `NAME.best`."""
    snapshots: Whole = 0
    """How often the weights are kept on the way, for curves over training."""
    snapshots_at_drops: bool = False
    """Whether they are kept besides before and after each drop of the learning rate."""


class Defenses(Settings):
    """The file of defenses: schedules first, since many defenses share one."""

    schedules: dict[Word, Schedule]
    """Courses of training, by name."""
    defenses: dict[Word, Defense]
    """Defenses, by the names that stand in tables and paths."""

    @field_validator("defenses", mode="before")
    @classmethod
    def _same_training(cls, entries: Any) -> Any:
        """What a defense with the weights of another does not say is said there."""
        if not isinstance(entries, Mapping):
            return entries
        return {
            name: _with_training(name, entry, entries)
            for name, entry in entries.items()
        }


def _with_training(name: str, entry: Any, entries: Mapping[str, Any]) -> Any:
    """A defense's entry with what the one says whose weights it has."""
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
