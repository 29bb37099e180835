"""A trained network in the form in which attacks run fastest."""

import copy

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from pipeline_steps.core.settings import Compiled, Precision
from pipeline_steps.defenses.passes import compile_passes
from pipeline_steps.threats.victim import Transformed, Victim, companion_of

# The allowed difference between a folded network's logits and the plain one's, relative
# to the largest logit.
TOLERANCE = 1e-4


class FastModel(nn.Module):
    """Frozen, its batch norms folded into convolutions, channels together in memory."""

    def __init__(self, exact: nn.Module, images: Tensor, precision: Precision) -> None:
        super().__init__()
        self.dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        body = folded(exact, images).requires_grad_(False).to(self.dtype)
        self.body = body.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        # Kept as it was trained: its inputs are so small that there is nothing to speed
        # up.
        self.companion = companion_of(exact)

    def forward(self, images: Tensor) -> Tensor:
        together = images.to(self.dtype, memory_format=torch.channels_last)
        logits: Tensor = self.body(together)
        return logits.float()


def victim_of(
    model: nn.Module, images: Tensor, precision: Precision, compiled: Compiled = False
) -> Victim:
    """A defense for attacks: with a fast copy of its network."""
    network = model.static if isinstance(model, Transformed) else model
    fast = FastModel(network, images, precision)
    if compiled:
        compile_passes(fast, images, compiled == "graphs")
    if isinstance(model, Transformed):
        return Victim(Transformed(fast, model.inference), model)
    return Victim(fast, model)


def folded(model: nn.Module, images: Tensor) -> nn.Module:
    """A copy in eval mode without batch norms, if its outputs match the model's.

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
    """Folds each batch norm that follows a convolution into it."""
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


def _same(traced: nn.Module, plain: nn.Module, images: Tensor) -> bool:
    """Whether they agree on two different batches of images."""
    agree = len(images) > 0
    for seen in (images, images.flip(0)[:-1]):
        with torch.no_grad():
            expected, logits = plain(seen), traced(seen)
        room = TOLERANCE * float(expected.abs().max().clamp_min(1)) if len(seen) else 0
        agree &= bool(torch.allclose(logits, expected, rtol=0, atol=room))
    return agree
