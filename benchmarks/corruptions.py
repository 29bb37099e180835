"""Images a second for each of the fifteen corruptions, beside the plain way of making them.

python -m benchmarks.corruptions [--images 512] [--plain 48] [--size 32] [--severity 3]

Ours is the project's own code, in batches, from uint8 to uint8. The other is the obvious
one: an image at a time, by NumPy, SciPy and Pillow, a few lines for each. Both take the
same parameters and draw their own numbers. Times are the best of three, in turn.
"""

import argparse
import io
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor

from pipeline_steps.core.registry import load, make
from pipeline_steps.core.rng import rng
from pipeline_steps.datasets.corrupt_dataset import VALUES
from pipeline_steps.datasets.corruption import CORRUPTIONS, corrupt
from pipeline_steps.datasets.corruptions import (
    brightness,
    contrast,
    defocus_blur,
    elastic_transform,
    fog,
    frost,
    gaussian_noise,
    glass_blur,
    impulse_noise,
    jpeg_compression,
    motion_blur,
    pixelate,
    shot_noise,
    snow,
    zoom_blur,
)

MODULES = (gaussian_noise, shot_noise, impulse_noise, defocus_blur, glass_blur)
MODULES += (motion_blur, zoom_blur, snow, frost, fog, brightness, contrast)
MODULES += (elastic_transform, pixelate, jpeg_compression)


def plain_gaussian_noise(x, draw, deviation):
    return x / 255 + draw.normal(size=x.shape, scale=deviation)


def plain_shot_noise(x, draw, photons):
    return draw.poisson(x / 255 * photons) / photons


def plain_impulse_noise(x, draw, share):
    broken = draw.uniform(size=x.shape) < share
    return np.where(broken, draw.uniform(size=x.shape) < 0.5, x / 255)


def plain_defocus_blur(x, draw, parameters):
    kernel = defocus_blur.disc(*parameters).numpy()
    channels = [ndimage.correlate(c, kernel, mode="mirror") for c in x / 255]
    return np.stack(channels)


def plain_glass_blur(x, draw, parameters):
    sigma, reach, times = parameters
    size = x.shape[-1]
    blurred = ndimage.gaussian_filter(x / 255, (0, sigma, sigma), mode="nearest")
    x = np.ascontiguousarray(np.uint8(blurred * 255).transpose(1, 2, 0))
    for _ in range(times):
        for h in range(size - reach, reach, -1):
            for w in range(size - reach, reach, -1):
                dx, dy = draw.integers(-reach, reach, size=2)
                x[h, w] = x[h + dy, w + dx]
    x = x.transpose(2, 0, 1) / 255
    return ndimage.gaussian_filter(x, (0, sigma, sigma), mode="nearest")


def moved(x, angle, radius, sigma):
    weights = np.exp(-(np.arange(2 * radius + 1) ** 2) / (2 * sigma**2))
    total, at = np.zeros_like(x), np.arange(x.shape[-1])
    for i, weight in enumerate(weights / weights.sum()):
        down = math.ceil(i * math.sin(math.radians(angle)) - 0.5)
        right = math.ceil(i * math.cos(math.radians(angle)) - 0.5)
        rows = np.clip(at + down, 0, at[-1])
        columns = np.clip(at + right, 0, at[-1])
        total += weight * x[:, rows[:, None], columns]
    return total


def plain_motion_blur(x, draw, parameters):
    return moved(x / 255, draw.uniform(-45, 45), *parameters)


def zoomed(x, factor):
    size = x.shape[-1]
    part = math.ceil(size / factor)
    top = (size - part) // 2
    middle = x[:, top : top + part, top : top + part]
    whole = ndimage.zoom(middle, (1, factor, factor), order=1)
    trim = (whole.shape[-1] - size) // 2
    return whole[:, trim : trim + size, trim : trim + size]


def plain_zoom_blur(x, draw, parameters):
    factors = np.arange(1, *parameters)
    x = x / 255
    return (x + sum(zoomed(x, factor) for factor in factors)) / (len(factors) + 1)


def plain_snow(x, draw, parameters):
    mean, deviation, factor, least, radius, sigma, kept = parameters
    flakes = zoomed(draw.normal(mean, deviation, (1, *x.shape[1:])), factor)
    flakes[flakes < least] = 0
    fallen = moved(np.clip(flakes, 0, 1), draw.uniform(-135, -45), radius, sigma)
    x = x / 255
    grey = np.tensordot(snow.BRIGHTNESS, x, 1)
    x = kept * x + (1 - kept) * np.maximum(x, grey * 1.5 + 0.5)
    return x + fallen + np.rot90(fallen, 2, (1, 2))


def plain_frost(x, draw, parameters):
    kept, added = parameters
    ice = ICE[draw.integers(5)].numpy()
    if x.shape[-1] < 64:
        ice = ice[:, 2::5, 2::5]
    top, left = (draw.integers(side - x.shape[-1]) for side in ice.shape[1:])
    cut = ice[:, top : top + x.shape[-1], left : left + x.shape[-1]]
    return (kept * x + added * cut) / 255


def plain_fog(x, draw, parameters):
    thickness, decay = parameters
    size = x.shape[-1]
    side = 1 << (size - 1).bit_length()
    heights, step, wibble = np.zeros((side, side)), side, 100.0

    def mean(total):
        return total / 4 + wibble * draw.uniform(-wibble, wibble, total.shape)

    while step >= 2:
        half = step // 2
        corners = heights[::step, ::step]
        across = corners + np.roll(corners, -1, 0)
        heights[half::step, half::step] = mean(across + np.roll(across, -1, 1))
        centres = heights[half::step, half::step]
        up, left = np.roll(centres, 1, 0), np.roll(centres, 1, 1)
        upper = centres + up + corners + np.roll(corners, -1, 1)
        heights[::step, half::step] = mean(upper)
        beside = centres + left + corners + np.roll(corners, -1, 0)
        heights[half::step, ::step] = mean(beside)
        step, wibble = half, wibble / decay
    heights -= heights.min()
    x = x / 255
    most = x.max()
    x = x + thickness * (heights / heights.max())[:size, :size]
    return x * most / (most + thickness)


def plain_brightness(x, draw, more):
    from matplotlib.colors import hsv_to_rgb, rgb_to_hsv

    hsv = rgb_to_hsv(x.transpose(1, 2, 0) / 255)
    hsv[..., 2] = np.clip(hsv[..., 2] + more, 0, 1)
    return hsv_to_rgb(hsv).transpose(2, 0, 1)


def plain_contrast(x, draw, factor):
    x = x / 255
    mean = x.mean((1, 2), keepdims=True)
    return (x - mean) * factor + mean


def plain_elastic_transform(x, draw, parameters):
    size = x.shape[-1]
    far, sigma, corners = (part * size for part in parameters)
    shifts = torch.from_numpy(draw.uniform(-corners, corners, (1, 6)))
    rows, columns = (at[0].numpy() for at in elastic_transform.affine(shifts, size))
    x = [ndimage.map_coordinates(c, [rows, columns], order=1, mode="mirror") for c in x]
    down, right = (
        ndimage.gaussian_filter(
            draw.uniform(-1, 1, (size, size)), sigma, mode="reflect", truncate=3
        )
        * far
        for _ in range(2)
    )
    y_at, x_at = np.mgrid[:size, :size]
    places = [y_at + down, x_at + right]
    pulled = [ndimage.map_coordinates(c, places, order=1, mode="reflect") for c in x]
    return np.stack(pulled) / 255


def plain_pixelate(x, draw, share):
    size, box = x.shape[-1], Image.Resampling.BOX
    photo = Image.fromarray(x.transpose(1, 2, 0))
    small = photo.resize((int(size * share), int(size * share)), box)
    return np.asarray(small.resize((size, size), box)).transpose(2, 0, 1) / 255


def plain_jpeg_compression(x, draw, quality):
    file = io.BytesIO()
    Image.fromarray(x.transpose(1, 2, 0)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file)).transpose(2, 0, 1) / 255


ICE = [(rng(i, "ice").uniform([3, 360, 360]) * 255).to(torch.uint8) for i in range(5)]


def plain(word: str, images: np.ndarray, severity: int) -> np.ndarray:
    """An image at a time, by the function above."""
    module = MODULES[CORRUPTIONS.index(word)]
    table: Any = module.LARGE if images.shape[-1] >= 64 else module.SMALL
    draw = np.random.default_rng(0)
    one = globals()[f"plain_{word}"]
    made = [one(x, draw, table[severity - 1]) for x in images]
    return np.uint8(np.clip(np.stack(made), 0, 1) * 255)


def ours(word: str, images: Tensor, severity: int) -> Tensor:
    wanted = {"textures": ICE} if word == "frost" else {}
    made = make("corruption", {"corruption": word}, **wanted)
    batch = max(1, VALUES // images[0].numel())
    return torch.cat(
        [
            corrupt(made, word, images[start : start + batch], start, severity, 0)
            for start in range(0, len(images), batch)
        ]
    )


def seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--plain", type=int, default=48)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--severity", type=int, default=3)
    told = parser.parse_args()
    noise = rng(0, "images").uniform([told.images, 3, told.size, told.size])
    images = (noise * 255).to(torch.uint8)
    few = images[: told.plain].numpy()
    print(f"{torch.get_num_threads()} threads, {told.size} px, images a second")
    print(f"{'':18}{'ours':>10}{'plain':>10}{'ratio':>8}")
    ratios = []
    for word in CORRUPTIONS:
        load("corruption", word)
        times = [
            (
                seconds(lambda word=word: ours(word, images, told.severity)),
                seconds(lambda word=word: plain(word, few, told.severity)),
            )
            for _ in range(3)
        ]
        mine, other = (min(each) for each in zip(*times, strict=True))
        speeds = len(images) / mine, len(few) / other
        ratios.append(speeds[0] / speeds[1])
        print(f"{word:18}{speeds[0]:10,.0f}{speeds[1]:10,.0f}{ratios[-1]:8.1f}")
    print(f"geometric mean of the ratios: {math.exp(np.mean(np.log(ratios))):.1f}")


if __name__ == "__main__":
    main()
