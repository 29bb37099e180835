"""A trained network in the form in which attacks run fastest."""

import copy

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from pipeline_steps.defenses.transformed import Transformed

# How far a folded network's answers may lie from the plain one's, in shares of the largest.
TOLERANCE = 1e-4


class FastModel(nn.Module):
    """Frozen, its batch norms folded into convolutions, channels together in memory.

    Attacks climb on this form; what they take for broken they ask of `exact`, the plain
    network in float32, which gives the verdicts.
    """

    def __init__(self, exact: nn.Module, images: Tensor, precision: str) -> None:
        super().__init__()
        self.exact = exact
        self.dtype: torch.dtype = getattr(torch, precision)
        body = folded(exact, images).requires_grad_(False).to(self.dtype)
        self.body = body.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor) -> Tensor:
        together = images.to(self.dtype, memory_format=torch.channels_last)
        logits: Tensor = self.body(together)
        return logits.float()

    @property
    def companion(self) -> nn.Module:
        """As it was trained; it sees few numbers, so there is nothing to make faster."""
        return self.exact.companion  # type: ignore[return-value]


def climbed_on(
    model: nn.Module, images: Tensor, precision: str, sees_inference: bool
) -> nn.Module:
    """The model in the form on which a threat climbs.

    Of one that moves its images before it answers, this is the static network, unless
    the threat sees its inference.
    """
    if not isinstance(model, Transformed):
        return FastModel(model, images, precision)
    fast = FastModel(model.static, images, precision)
    if not sees_inference:
        return fast
    whole = Transformed(fast, model.inference)
    whole.exact = model
    return whole


def folded(model: nn.Module, images: Tensor) -> nn.Module:
    """A copy in eval mode without batch norms, if it answers as the model does.

    What can't be traced, or depends on more than its images, is copied as it is.
    """
    plain = copy.deepcopy(model).eval()
    try:
        traced = _without_norms(fx.symbolic_trace(copy.deepcopy(plain)))
        same = _same(traced, plain, images)
    except Exception:  # Tracing runs the model's own code, which may raise anything.
        same = False
    return traced if same else plain


def _without_norms(traced: fx.GraphModule) -> fx.GraphModule:
    """Each batch norm that follows a convolution becomes a part of it."""
    modules = dict(traced.named_modules())
    for node in traced.graph.nodes:
        norm = modules.get(str(node.target)) if node.op == "call_module" else None
        if isinstance(norm, nn.BatchNorm2d):
            before = node.args[0]
            convolution = modules.get(str(before.target))
            if isinstance(convolution, nn.Conv2d) and len(before.users) == 1:
                fused = fuse_conv_bn_eval(convolution, norm)
                traced.set_submodule(str(before.target), fused)
                node.replace_all_uses_with(before)
                traced.graph.erase_node(node)
    traced.delete_all_unused_submodules()
    traced.recompile()
    return traced


def _same(one: nn.Module, other: nn.Module, images: Tensor) -> bool:
    """Whether they agree, twice, on images that are not the same each time."""
    agree = len(images) > 0
    for seen in (images, images.flip(0)[:-1]):
        with torch.no_grad():
            expected, told = other(seen), one(seen)
        room = TOLERANCE * float(expected.abs().max().clamp_min(1)) if len(seen) else 0
        agree &= bool(torch.allclose(told, expected, rtol=0, atol=room))
    return agree
