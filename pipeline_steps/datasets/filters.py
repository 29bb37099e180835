"""Blurs, zooms and resampling that treat each image of a batch separately."""

import math

import torch
from torch import Tensor
from torch.nn import functional


def correlate(images: Tensor, kernel: Tensor, edge: str) -> Tensor:
    """Correlation with a kernel of odd size, as a sum of shifted copies."""
    (height, width), (rows, columns) = images.shape[-2:], kernel.shape
    reach = [columns // 2, columns // 2, rows // 2, rows // 2]
    padded = functional.pad(images, reach, mode=edge)
    total = torch.zeros_like(images)
    for row, column in kernel.nonzero().tolist():
        shifted = padded[..., row : row + height, column : column + width]
        total += shifted * kernel[row, column].item()
    return total


def bell(reach: int, sigma: float) -> Tensor:
    """A normal curve at integer distances up to `reach` on both sides, with sum 1."""
    distance = torch.arange(-reach, reach + 1, dtype=torch.float64)
    weights = (-0.5 * (distance / sigma) ** 2).exp()
    return weights / weights.sum()


def gaussian_blur(images: Tensor, sigma: float) -> Tensor:
    """Truncated at four standard deviations; edge pixels are repeated beyond the
    edge."""
    reach = int(4 * sigma + 0.5)
    if not reach:
        return images
    weights = bell(reach, sigma)
    down = correlate(images, weights[:, None], "replicate")
    return correlate(down, weights[None], "replicate")


def motion_blur(images: Tensor, angles: Tensor, radius: int, sigma: float) -> Tensor:
    """As ImageMagick does it: half a normal curve along a direction, rounded to pixels.

    Each image has its own angle, in degrees.
    """
    count, channels, height, width = images.shape
    weights = bell(2 * radius, sigma)[2 * radius :]
    reach = min(2 * radius, max(height, width))
    padded = functional.pad(images, [reach] * 4, mode="replicate").flatten(2)
    row_length = width + 2 * reach
    rows = torch.arange(height)[:, None] * row_length
    pixels = (rows + torch.arange(width)).flatten()
    total = torch.zeros_like(images).flatten(2)
    radians = angles.double() * (math.pi / 180)
    for distance, weight in enumerate((weights / weights.sum()).tolist()):
        down = (radians.sin() * distance - 0.5).ceil().long().clamp(-reach, reach)
        right = (radians.cos() * distance - 0.5).ceil().long().clamp(-reach, reach)
        start = (reach + down) * row_length + reach + right
        where = (start[:, None] + pixels)[:, None].expand(-1, channels, -1)
        total += padded.gather(2, where) * weight
    return total.reshape(count, channels, height, width)


def zoom(images: Tensor, factor: float) -> Tensor:
    """The middle of square images, enlarged bilinearly to their old size."""
    size = images.shape[-1]
    part = math.ceil(size / factor)
    whole = round(part * factor)
    first, trimmed = (size - part) // 2, (whole - size) // 2
    at = torch.arange(trimmed, trimmed + size, dtype=torch.float64)
    at = at * ((part - 1) / max(whole - 1, 1))
    low = at.floor().long().clamp(max=part - 1)
    high = (low + 1).clamp(max=part - 1)
    share = (at - low).to(images.dtype)[:, None]
    for _ in range(2):
        lower = images.index_select(-2, first + low)
        upper = images.index_select(-2, first + high)
        # Transposed, because whole rows are copied faster than columns.
        images = upper.sub_(lower).mul_(share).add_(lower).mT.contiguous()
    return images


def folded(at: Tensor, size: int, edge_twice: bool) -> Tensor:
    """Positions beyond the edges, mirrored into the image; the edge counts once or
    twice."""
    period = 2 * size if edge_twice else 2 * size - 2
    at = at % period
    return torch.where(at < size, at, period - edge_twice - at)


def sample(images: Tensor, rows: Tensor, columns: Tensor, edge_twice: bool) -> Tensor:
    """The images at positions between pixels, interpolated bilinearly; positions are
    [N, H, W]."""
    count, channels, height, width = images.shape
    flat = images.flatten(2)
    up, left = rows.floor(), columns.floor()
    down_share = (rows - up)[:, None].to(images.dtype)
    right_share = (columns - left)[:, None].to(images.dtype)
    above, below = (folded(up.int() + i, height, edge_twice) * width for i in (0, 1))
    before, after = (folded(left.int() + i, width, edge_twice) for i in (0, 1))

    def at(where: Tensor) -> Tensor:
        picked = where.long().flatten(1)[:, None].expand(-1, channels, -1)
        return flat.gather(2, picked).reshape(count, channels, *rows.shape[1:])

    def between(row: Tensor) -> Tensor:
        first = at(row + before)
        return first + (at(row + after) - first) * right_share

    upper = between(above)
    return upper + (between(below) - upper) * down_share


def smoothing(size: int, sigma: float, deviations: float) -> Tensor:
    """A Gaussian blur along one side as a matrix; edges are mirrored, counted twice."""
    weights = bell(int(deviations * sigma + 0.5), sigma)
    reach = len(weights) // 2
    matrix = torch.zeros(size, size, dtype=torch.float64)
    pixels = torch.arange(size)[:, None] + torch.arange(-reach, reach + 1)
    pixels = folded(pixels, size, edge_twice=True)
    return matrix.scatter_add_(1, pixels, weights.expand(size, -1).contiguous())
