"""Checks users' models, images and labels, and converts them to one form."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.datasets.loader import check_range

# A network, or any function from images in [0, 1] to logits.
Model = nn.Module | Callable[[Tensor], Tensor]


class Function(nn.Module):
    """Wraps a function of images as a network without visible layers."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, images: Tensor) -> Tensor:
        return self.function(images)


def as_network(model: Model) -> nn.Module:
    if isinstance(model, nn.Module):
        if any(weights.is_inference() for weights in model.parameters()):
            raise PipelineError(
                "the model was made under torch.inference_mode, so it has no "
                "gradients; make it outside"
            )
        return model
    if isinstance(model, type) or not callable(model):
        hint = "; call it to make one" if isinstance(model, type) else ""
        raise PipelineError(
            f"a model is a torch.nn.Module or a function of images, not {model!r}{hint}"
        )
    return Function(model)


def copyable(network: nn.Module) -> nn.Module:
    """The network, or a function that calls it if it can't be copied."""
    try:
        copy.deepcopy(network)
    except Exception:  # Copying runs the model's own code, which may raise anything.
        return Function(lambda images: network(images))
    return network


def device_of(network: nn.Module) -> torch.device:
    """Where its weights are."""
    weights = next(network.parameters(), None)
    return torch.device("cpu") if weights is None else weights.device


@contextmanager
def explained() -> Iterator[None]:
    """Turns torch's error about a model that can't be differentiated into a
    sentence."""
    try:
        yield
    except RuntimeError as error:
        if "does not require grad" not in str(error):
            raise
        raise PipelineError(
            "the model's logits have no gradient with respect to the images: it computes "
            "under no_grad, detaches, or leaves torch; use a threat that needs none, such "
            "as 'square' or 'rays10k'"
        ) from error


def checked(network: nn.Module, images: Any, labels: Any) -> tuple[Tensor, Tensor]:
    """Images as float32 in [0, 1], and a class for each, where the network is."""
    images, labels = _images(images), _labels(labels)
    if len(labels) != len(images):
        raise PipelineError(
            f"{len(images)} images came with {len(labels)} labels; give one for each"
        )
    # Attacks run where the model is, as users of torchattacks expect.
    images = images.to(device_of(network))
    labels = labels.to(images.device)
    if len(images):
        _check_answer(network, images, labels)
    return images, labels


def _images(images: Any) -> Tensor:
    images = _tensor(images, "images")
    if images.dtype == torch.uint8:
        raise PipelineError(
            "the images are bytes from 0 to 255; write images.float() / 255"
        )
    if not images.is_floating_point():
        raise PipelineError(f"images are floats in [0, 1], not {images.dtype}")
    if images.dim() != 4:
        raise PipelineError(
            f"images have the shape (images, channels, height, width), not "
            f"{tuple(images.shape)}; write images[None] for a single one"
        )
    # What was made under inference_mode can't be differentiated; a copy can.
    images = images.detach().to(torch.float32, copy=images.is_inference())
    check_range(images, "the images")
    return images


def _labels(labels: Any) -> Tensor:
    labels = _tensor(labels, "labels")
    if labels.is_floating_point() or labels.dtype == torch.bool or labels.dim() != 1:
        raise PipelineError(
            "labels are one class number for each image, not "
            f"{labels.dtype} of the shape {tuple(labels.shape)}"
            + ("; write labels.argmax(1)" if labels.dim() == 2 else "")
        )
    return labels.detach().to(torch.long, copy=labels.is_inference())


def _tensor(value: Any, what: str) -> Tensor:
    if isinstance(value, Tensor):
        return value
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        raise PipelineError(
            f"{what} must be a tensor or an array, not {type(value).__name__}"
        ) from None


def _check_answer(network: nn.Module, images: Tensor, labels: Tensor) -> None:
    """One image tells whether the network answers with a logit for each class."""
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        with torch.no_grad():
            answer = network(images[:1])
    finally:
        for module in training:
            module.training = True
    if not isinstance(answer, Tensor) or answer.dim() != 2 or len(answer) != 1:
        form = (
            f"of the shape {tuple(answer.shape)}"
            if isinstance(answer, Tensor)
            else type(answer).__name__
        )
        raise PipelineError(
            "the model must answer with one row of logits for each image; for one image "
            f"it gave {form}"
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= answer.shape[1]:
        raise PipelineError(
            f"labels run from {low} to {high}, and the model has {answer.shape[1]} "
            "classes, counted from 0"
        )
