"""Makes untrained networks from a seed, and trained ones from a file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import make
from pipeline_steps.core.seeds import derive
from pipeline_steps.core.settings import Entry
from pipeline_steps.core.tensors import read_tensors
from pipeline_steps.defenses.companion import Companion
from pipeline_steps.defenses.own_model import make_own
from pipeline_steps.defenses.spec import defenses_in
from pipeline_steps.threats.victim import Transformed


def new_model(architecture: Entry, seed: int) -> nn.Module:
    """An untrained network; the process's random state is unchanged.

    Its settings may include a `companion`, which becomes a part of it, and an
    `inference`, which training ignores.
    """
    plain = dict(architecture)
    companion, _ = (plain.pop(key, None) for key in ("companion", "inference"))
    with torch.random.fork_rng():
        torch.manual_seed(derive(seed, "weights"))
        own = "factory" in plain
        model: nn.Module = make_own(plain) if own else make("architecture", plain)
        if companion:
            model.companion = Companion(make("architecture", companion))
    # Convolutions run faster with channels together in memory.
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def load_defenses(
    spec: Mapping[str, Any], weights: Sequence[Path], device: torch.device
) -> dict[str, nn.Module]:
    """Every other defense that a spec names, from files in the order of their names."""
    return {
        name: load_model(entry["network"], path).to(device)
        for (name, entry), path in zip(defenses_in(spec).items(), weights, strict=True)
    }


def load_model(architecture: Entry, weights: Path) -> nn.Module:
    """A trained network in eval mode, on images in [0, 1]."""
    return with_weights(architecture, read_tensors(weights), weights)


def with_weights(
    architecture: Entry, weights: dict[str, torch.Tensor], whose: object
) -> nn.Module:
    model = new_model(architecture, seed=0)
    try:
        model.load_state_dict(weights)
    except RuntimeError:
        raise PipelineError(
            f"{whose} holds the weights of another network than the config describes; "
            "build or pull it again"
        ) from None
    return answering(model, architecture).eval()


def answering(model: nn.Module, architecture: Entry) -> nn.Module:
    """The model, wrapped in its inference if it has one."""
    if "inference" not in architecture:
        return model
    return Transformed(model, make("inference", architecture["inference"]))
