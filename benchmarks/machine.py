"""What a machine can do, for shares of it, and when its work is done."""

import time

import torch


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def seconds(device: torch.device) -> float:
    """The processor's time where it does the work, which other work disturbs less."""
    return time.process_time() if device.type == "cpu" else time.perf_counter()


def peak(device: torch.device, precision: torch.dtype) -> float:
    """Operations a second in the multiplication of two large matrices."""
    size = 8192 if device.type == "cuda" else 2048
    matrix = torch.ones(size, size, device=device, dtype=precision)
    fastest = torch.inf
    for _ in range(5):
        synchronise(device)
        begin = seconds(device)
        matrix @ matrix
        synchronise(device)
        fastest = min(fastest, seconds(device) - begin)
    return 2 * size**3 / fastest
