"""A network with a second set of batch norms, for attacked images alone (AdvProp)."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.defenses.architecture import Architecture


class AuxiliaryNorm(Architecture):
    """Any network, with an auxiliary batch norm beside each of its own.

    It uses its own, and the auxiliary ones inside `auxiliary(model)`. Both kinds are
    plain batch norms, so whatever is done to batch norms is done to both.
    """

    def __init__(self, network: Architecture) -> None:
        super().__init__()
        self.network = network
        for name, module in list(self.network.named_modules()):
            if isinstance(module, nn.BatchNorm2d):
                self.network.set_submodule(name, TwoNorms(module))

    def layers(self) -> list[nn.Module]:
        return self.network.layers()

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images)


class TwoNorms(nn.Module):
    """A batch norm and its auxiliary; one of them is active at a time."""

    def __init__(self, main: nn.BatchNorm2d) -> None:
        super().__init__()
        self.main, self.auxiliary = main, copy.deepcopy(main)
        self.asks_auxiliary = False

    def forward(self, features: Tensor) -> Tensor:
        return (self.auxiliary if self.asks_auxiliary else self.main)(features)


@contextmanager
def auxiliary(model: nn.Module) -> Iterator[None]:
    """Inside the `with` block the model uses its auxiliary batch norms."""
    norms = [module for module in model.modules() if isinstance(module, TwoNorms)]
    if not norms:
        raise PipelineError(
            "the recipe needs a network with auxiliary batch norms: set `architecture: "
            "{architecture: auxiliary_norm, network: …}` in workflow/config/defenses.yaml"
        )
    for norm in norms:
        norm.asks_auxiliary = True
    try:
        yield
    finally:
        for norm in norms:
            norm.asks_auxiliary = False
