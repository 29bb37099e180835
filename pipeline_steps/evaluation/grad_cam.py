"""Grad-CAM: which parts of an image support a class, by the network's last feature map.

Selvaraju et al. weigh each channel of the last convolutional features by the mean slope of
the class's score along it. Where a network only averages these features and is linear then,
as all of this project are, this is the class activation map of Zhou et al. itself.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.threats.frozen import frozen


class LastMap(TorchFunctionMode):
    """Keeps a network's last spatial features.

    It looks at the functions that are called and not at modules, so it sees what a block
    returns after its last `relu`, and asks nothing of how a network is built or wrapped.
    """

    features: Tensor | None = None

    def __torch_function__(
        self,
        function: Callable[..., object],
        types: Sequence[type],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        out = function(*args, **(kwargs or {}))
        if isinstance(out, Tensor) and out.requires_grad and out.dim() == 4:
            self.features = out if out.shape[2:].numel() > 1 else self.features
        return out


def grad_cam(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    """A map of each image's size, [N, H, W], from 0 to 1 at the strongest support.

    All zero if nothing supports the class.
    """
    seen = images.detach().clone().requires_grad_()
    with frozen(model), torch.enable_grad():
        with LastMap() as last:
            logits: Tensor = model(seen)
        features = last.features
        # Images in eval mode don't see each other, so the sum's slopes are each one's own.
        score = logits.gather(1, classes[:, None]).sum()
        if features is None:
            raise _without_map(model)
        (slopes,) = torch.autograd.grad(score, features, allow_unused=True)
    if slopes is None:
        raise _without_map(model)
    weights = slopes.mean(dim=(2, 3), keepdim=True)  # Grad-CAM eq. 1
    maps = (weights * features.detach()).sum(dim=1, keepdim=True).relu()  # eq. 2
    maps = functional.interpolate(maps, images.shape[2:], mode="bilinear")[:, 0]
    return maps / maps.amax(dim=(1, 2), keepdim=True).clamp_min(1e-12)


def _without_map(model: nn.Module) -> PipelineError:
    return PipelineError(
        f"{type(model).__name__} has no spatial features, which Grad-CAM needs; "
        "leave it out of figures that show panels of 'cam'"
    )
