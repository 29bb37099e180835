"""What a machine can do, for shares of it, and when its work is done."""

import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import conv2d


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def seconds(device: torch.device) -> float:
    """The processor's time where it does the work, which other work disturbs less."""
    return time.process_time() if device.type == "cpu" else time.perf_counter()


def peak(device: torch.device, precision: torch.dtype) -> float:
    """Operations a second in a large matrix product or a wide convolution, the faster.

    On a CPU they come from two libraries, of which either may be the better one.
    """
    size, count = (8192, 256) if device.type == "cuda" else (2048, 16)
    matrix = torch.ones(size, size, device=device, dtype=precision)
    together = {"memory_format": torch.channels_last}
    images = torch.ones(count, 256, 32, 32, device=device, dtype=precision).to(
        **together
    )
    weights = torch.ones(256, 256, 3, 3, device=device, dtype=precision).to(**together)
    product = _rate(device, 2 * size**3, lambda: matrix @ matrix)
    operations = 2 * count * 32 * 32 * weights.numel()
    wide = _rate(device, operations, lambda: conv2d(images, weights, padding=1))
    return max(product, wide)


def _rate(device: torch.device, operations: int, work: Callable[[], Tensor]) -> float:
    fastest = torch.inf
    for _ in range(5):
        synchronise(device)
        begin = seconds(device)
        work()
        synchronise(device)
        fastest = min(fastest, seconds(device) - begin)
    return operations / fastest
