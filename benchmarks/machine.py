"""What a machine can do, for shares of it, and when its work is done."""

import time

import torch


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def peak(device: torch.device, precision: torch.dtype) -> float:
    """Operations a second in the multiplication of two large matrices."""
    size = 8192 if device.type == "cuda" else 2048
    matrix = torch.ones(size, size, device=device, dtype=precision)
    fastest = torch.inf
    for _ in range(5):
        synchronise(device)
        begin = time.perf_counter()
        matrix @ matrix
        synchronise(device)
        fastest = min(fastest, time.perf_counter() - begin)
    return 2 * size**3 / fastest
