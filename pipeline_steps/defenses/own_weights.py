"""Reads and checks the weights of a user's own model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.tensors import read_tensors
from pipeline_steps.defenses.own_model import first_line
from pipeline_steps.threats.frozen import frozen, logits_of

# Keys under which training scripts save the weights in their checkpoints.
USUAL_KEYS = ("state_dict", "model", "net")


def read_weights(path: Path) -> dict[str, Tensor]:
    """The named tensors of a safetensors file, or of a file that torch saved."""
    if path.suffix == ".safetensors":
        return read_tensors(path)
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of many kinds, for a file of any content
        raise PipelineError(
            f"{path} can't be read as tensors alone ({first_line(error)}); save it with "
            "torch.save(model.state_dict(), …), or as safetensors"
        ) from error
    for key in USUAL_KEYS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not all(
        isinstance(tensor, Tensor) for tensor in content.values()
    ):
        raise PipelineError(
            f"{path} does not hold named tensors; save it with "
            "torch.save(model.state_dict(), …)"
        )
    # DataParallel adds this prefix.
    return {name.removeprefix("module."): tensor for name, tensor in content.items()}


def put_weights(model: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    first = {name.partition(".")[0] for name in weights}
    bare = {name.partition(".")[2]: tensor for name, tensor in weights.items()}
    if len(first) == 1 and bare.keys() == model.state_dict().keys():
        weights = bare  # every name has a wrapper's prefix, such as `model.`
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        reasons = [line.strip() for line in str(error).splitlines()[1:2]]
        raise PipelineError(
            f"{path} does not fit the model that the factory makes: {''.join(reasons)}"
        ) from None


def check_answers(model: nn.Module, images: Tensor, classes: int, whose: str) -> None:
    """Logits, one for each class of the data set, for images in [0, 1]."""
    try:
        with frozen(model):
            logits = logits_of(model, images)
    except PipelineError:
        raise  # a sentence already
    except Exception as error:  # a user's code may raise anything
        size = "x".join(str(side) for side in images.shape[1:])
        raise PipelineError(
            f"{whose} can't take images of {size}: {type(error).__name__}: {first_line(error)}"
        ) from error
    wanted = (len(images), classes)
    if not isinstance(logits, Tensor) or tuple(logits.shape) != wanted:
        got = (
            tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        )
        raise PipelineError(
            f"{whose} answers {len(images)} images with {got}, not with logits of "
            f"shape {wanted}: one for each class of the data set"
        )
    if not torch.isfinite(logits).all():
        raise PipelineError(f"{whose} answers with numbers that are not finite")
