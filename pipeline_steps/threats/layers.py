"""Reads the features between a network's layers, and adds to them."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from pipeline_steps.core.errors import PipelineError


@runtime_checkable
class Layered(Protocol):
    """A network that names its layers. All architectures here do; a user's own may."""

    def layers(self) -> list[nn.Module]:
        """The modules whose outputs are features, in order from the image."""
        ...


def layers_of(network: nn.Module) -> list[nn.Module]:
    """The layers that a network itself names."""
    if not isinstance(network, Layered):
        raise PipelineError(
            f"{type(network).__name__} does not expose its layers, which perceptual "
            "attacks compare; give its class a method `layers`"
        )
    return network.layers()


def features_of(network: nn.Module, images: Tensor) -> tuple[list[Tensor], Tensor]:
    """Each layer's output, and the logits."""
    features: list[Tensor] = []
    with ExitStack() as hooks:
        for layer in layers_of(network):
            hook = layer.register_forward_hook(lambda _, __, out: features.append(out))
            hooks.callback(hook.remove)
        logits: Tensor = network(images)
    return features, logits


@contextmanager
def added(network: nn.Module, additions: Sequence[Tensor]) -> Iterator[None]:
    """Adds a tensor to each layer's output, inside the `with` block."""
    with ExitStack() as hooks:
        for layer, addition in zip(layers_of(network), additions, strict=True):
            hook = layer.register_forward_hook(
                lambda _, __, out, addition=addition: out + addition
            )
            hooks.callback(hook.remove)
        yield


def perceived(features: Sequence[Tensor]) -> Tensor:
    """One vector for each image; L2 distances between them are perceptual (LPIPS,
    unweighted).

    At each position of each layer the channels are scaled to length 1, and all layers
    have the same weight.
    """
    rows = []
    for layer in features:
        lengths = torch.linalg.vector_norm(layer, dim=1, keepdim=True) + 1e-10
        rows.append((layer / lengths / layer[0, 0].numel() ** 0.5).flatten(1))
    return torch.cat(rows, 1)
