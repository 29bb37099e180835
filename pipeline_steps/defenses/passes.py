"""The precision in which a network computes during training, and whether it is
compiled."""

from typing import Any

import torch
from torch import Tensor, nn

from pipeline_steps.core.progress import say
from pipeline_steps.core.settings import Precision
from pipeline_steps.threats.frozen import frozen


def compute_in(model: nn.Module, precision: Precision) -> None:
    """Runs the model's own passes in this precision, with outputs in float32.

    Everything around a pass, such as a loss or a generator, stays in float32: a flow
    would no longer invert itself, and a logarithm would lose what an attack raises.
    """
    if precision != "bfloat16":  # TF32 is a mode of the device: `device.tf32`
        return
    plain: Any = type(model)
    dtype = getattr(torch, precision)

    class Lower(plain):
        def forward(self, images: Tensor, *more: object, **named: object) -> object:
            with torch.autocast(images.device.type, dtype):
                answer = super().forward(images, *more, **named)
            return answer.float() if isinstance(answer, Tensor) else answer

    # Changes the class, as `workers.shared` does, so that weights keep their names.
    model.__class__ = Lower


def compile_passes(model: nn.Module, images: Tensor, graphs: bool) -> None:
    """Compiles the model's passes in place, or says why they stay as they are.

    `graphs` replays them as CUDA graphs, which saves launches. A CPU launches nothing.
    """
    graphs = graphs and images.device.type == "cuda"
    model.compile(mode="reduce-overhead" if graphs else "default")
    try:
        with frozen(model):
            leaf = images.detach().requires_grad_()
            torch.autograd.grad(model(leaf).sum(), leaf)
    except Exception as error:  # whatever a compiler that is missing or fails may raise
        model._compiled_call_impl = None
        reason = str(error).strip().splitlines()[:1]
        say(f"the network is not compiled here ({''.join(reason)}); it runs as it is")
