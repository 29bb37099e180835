"""A user's own model, made by a function of the user's."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from pipeline_steps.core import registry
from pipeline_steps.core.digest import factory_digest
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.settings import Entry


def make_own(entry: Entry) -> nn.Module:
    """The user's model, after a check that the function is the one that was planned."""
    place = entry["factory"]
    if factory_digest(place) != entry["code"]:
        raise PipelineError(
            f"{place} changed after this job was planned; run snakemake again"
        )
    return made_by(place, entry["arguments"])


def made_by(place: str, arguments: Mapping[str, Any]) -> nn.Module:
    """The model that a function makes; it is named as `FILE.py:NAME` or
    `MODULE:NAME`."""
    # A factory may import torchvision, which needs this first; no other model does.
    from pipeline_steps.core import torchvision_ops  # noqa: F401

    try:
        model = registry.factory(place)(**arguments)
    except Exception as error:  # a user's code may raise anything
        raise PipelineError(
            f"{place} could not make a model: {type(error).__name__}: {first_line(error)}"
        ) from error
    if not isinstance(model, nn.Module):
        raise PipelineError(
            f"{place} made a {type(model).__name__}, not a torch.nn.Module"
        )
    return model


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0]
