"""Several processes that train as one: each takes its rows of every batch.

What they compute is what one process would, within rounding: gradients are averaged,
batch norm sees the whole batch, and all stop after the same step. Where there is one
process alone, nothing here changes a bit.
"""

import os
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import torch
import torch.distributed as distributed
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.processes import first, one_of_several

Number = TypeVar("Number", int, float)


def join(device: torch.device) -> None:
    """Joins the other processes of this job, if there are any; each has its own GPU."""
    if not one_of_several():
        return
    if device.type == "cuda":
        wanted, available = int(os.environ["WORLD_SIZE"]), torch.cuda.device_count()
        if available < wanted:
            raise PipelineError(
                f"the job starts {wanted} processes, but its machine has {available} "
                "GPUs; lower 'gpus' under resources in workflow/config/scales, or "
                "request more"
            )
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    # Without a backend's name torch takes NCCL for GPU tensors and gloo for CPU
    # tensors.
    distributed.init_process_group()


def part() -> bool:
    """Leaves the other processes; only the first has more to do."""
    if distributed.is_initialized():
        distributed.destroy_process_group()
    return first()


def count() -> int:
    return distributed.get_world_size() if distributed.is_initialized() else 1


def share(images: int) -> slice:
    """The rows of a batch that are this process's."""
    each, rest = divmod(images, count())
    if rest:
        raise PipelineError(
            f"a batch of {images} images can't be split evenly among {count()} "
            "processes; change 'gpus' under resources in workflow/config/scales, or "
            "the batch in workflow/config"
        )
    begin = each * (distributed.get_rank() if count() > 1 else 0)
    return slice(begin, begin + each)


def mean(number: float) -> float:
    """The mean of all processes' numbers."""
    if count() == 1:
        return number
    return float(_all(distributed.ReduceOp.SUM, number)) / count()


def largest(number: Number) -> Number:
    """The largest of all processes' numbers."""
    if count() == 1:
        return number
    return type(number)(_all(distributed.ReduceOp.MAX, number))


def _all(how: Any, number: float) -> Tensor:
    together = torch.tensor(number, dtype=torch.float64)
    distributed.all_reduce(together, how)
    return together


def wait() -> None:
    """Waits until all processes are here."""
    largest(0)


def shared(model: nn.Module, loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """`loss` of the model, whose backward pass leaves the mean gradient everywhere."""
    if count() == 1:
        return partial(loss, model)
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.__class__ = WholeBatchNorm
    # To look for unused parameters, of which there are none, keeps gradients in their
    # first buckets; a resumed run would otherwise add them up in another order.
    return DistributedDataParallel(_Loss(model, loss), find_unused_parameters=True)


class _Loss(nn.Module):
    """A loss as DistributedDataParallel wants it: one forward pass for each backward.

    An attack's many passes through the model go on inside, unseen.
    """

    def __init__(self, model: nn.Module, loss: Callable[..., Tensor]) -> None:
        super().__init__()
        self.learned = nn.ParameterList(model.parameters())
        # Hidden from DistributedDataParallel, which would send all buffers around.
        self.loss = partial(loss, model)

    def forward(self, *arguments: Any) -> Tensor:
        return self.loss(*arguments)


class WholeBatchNorm(_BatchNorm):
    """Batch norm by the statistics of all processes' rows, on any device.

    torch's SyncBatchNorm trains only on GPUs.
    """

    def forward(self, features: Tensor) -> Tensor:
        if not self.training:
            return super().forward(features)
        # Statistics of many values are computed in float32 at least.
        wide = torch.promote_types(features.dtype, torch.float32)
        last = features.to(wide).movedim(1, -1)
        dimensions = tuple(range(last.ndim - 1))
        mean = _Mean.apply(last.mean(dimensions))
        variance = _Mean.apply((last - mean).square().mean(dimensions))
        self._remember(mean, variance, count() * last[..., 0].numel())
        scale = self.weight * (variance + self.eps).rsqrt()
        normal = (last - mean) * scale + self.bias
        return normal.movedim(-1, 1).to(features.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, values: int) -> None:
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (values / (values - 1)), self.momentum)

    def _check_input_dim(self, features: Tensor) -> None:
        """Of any dimensions: each kind of batch norm becomes this one."""


class _Mean(Function):
    """The mean of a tensor over all processes; its gradient is the mean of theirs."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        together = own.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(together)
        return together / count()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return _Mean.apply(gradient)
