"""The unseen attacks once more, plainly: UAR's rules, written without this project's parts.

A peer for `benchmarks.unseen` and the tests. Every attack is untargeted, takes images in
[0, 1] and works on a whole batch in the numbers from 0 to 255, as advex-uar does; what it
does unlike its paper, it does here too (docs/methods/attacks.md#rules-of-uar). `l2` is DMAT's,
by advertorch.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

Edit = Callable[..., Tensor]
# The numbers of fog, snow and Gabor move by this, whatever the budget is.
GRID_STEP = 0.001


@dataclass
class Uar:
    """Attacks on one network, with random numbers of one seed."""

    model: nn.Module
    steps: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        self.draw = torch.Generator().manual_seed(self.seed)

    def uniform(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.draw)

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.draw)

    def whole(self, end: int) -> int:
        """A whole number below an end."""
        return int(torch.randint(end, (1,), generator=self.draw))

    def slopes(
        self, leaves: Sequence[Tensor], edit: Edit, labels: Tensor
    ) -> list[Tensor]:
        """Where the loss of the edited images rises."""
        leaves = [leaf.detach().requires_grad_() for leaf in leaves]
        loss = functional.cross_entropy(self.model(edit(*leaves) / 255), labels)
        return list(torch.autograd.grad(loss, leaves))

    def fog(
        self, images: Tensor, labels: Tensor, epsilon: float, cropped: bool = True
    ) -> Tensor:
        pixels, count, size = 255 * images, len(images), images.shape[-1]
        side = 2 ** (int(math.log2(size)) + 1) if cropped else size
        margin = (side - size) // 2
        brightest = pixels.amax((2, 3), keepdim=True)
        levels = int(math.log2(side))
        grids = [
            self.uniform(count, 2**level, 2**level)
            for level in range(levels)
            for _ in range(3)
        ]

        def edit(*grids: Tensor) -> Tensor:
            field = landscape(grids, side)
            # One stretch for the whole batch.
            field = (field - field.min()) / (field.max() - field.min())
            field = field[:, None, margin : margin + size, margin : margin + size]
            return (255 * (pixels + epsilon * field) / (brightest + epsilon)).clamp(
                0, 255
            )

        for _ in range(self.steps):
            moves = self.slopes(grids, edit, labels)
            step = math.sqrt(GRID_STEP / self.steps)
            grids = [
                (grid + step * move.sign()).clamp(0, 1)
                for grid, move in zip(grids, moves, strict=True)
            ]
        return edit(*grids) / 255

    def snow(
        self, images: Tensor, labels: Tensor, epsilon: float, budget: float = 0.2
    ) -> Tensor:
        count, size = len(images), images.shape[-1]
        streaks, mirrored = [], self.whole(2)
        for _ in range(7):
            ends = 2 + self.whole(5), 2 + self.whole(5)
            chance = float(self.uniform(1))
            width = 1 if chance < 0.6 else 3 if chance < 0.9 else 5
            line = streak(*ends, width)
            spread = 0.41 + 0.19 * float(self.uniform(1))
            places = torch.arange(-1.0, 2)
            weights = (-(places**2) / (2 * spread**2)).exp()
            blur = torch.outer(weights, weights) / weights.sum() ** 2
            line = line.flip(1) if mirrored else line
            streaks.append(
                functional.conv2d(line[None, None], blur[None, None], padding=1)
            )
        kernel = torch.cat(streaks, 1)
        grey = torch.tensor([0.2126, 0.7152, 0.0722]).view(1, 3, 1, 1)
        whiter = 1.5 * (grey * images).sum(1, keepdim=True) + 0.5
        dull = 0.75 * images + 0.25 * torch.maximum(images, whiter)

        def edit(flakes: Tensor) -> Tensor:
            sky = flakes.new_zeros(count, 7, size, size)
            for layer in range(7):
                row, column = (0, layer) if layer < 4 else (layer - 3, 0)
                sky[:, layer, row::4, column::4] = flakes[:, layer] ** 4
            snow = functional.conv2d(sky, kernel, padding=6)
            return 255 * (dull + epsilon * snow).clamp(0, 1)

        flakes = (-self.uniform(count, 7, size // 4, size // 4) / budget).exp()
        for step in range(self.steps):
            (move,) = self.slopes([flakes], edit, labels)
            flakes = flakes + math.sqrt(GRID_STEP / self.steps) * move.sign()
            if step + 1 < self.steps:
                flakes = flakes.clamp(1e-9, 1)
                side = max(1, flakes.shape[-1] // 8)
                mean = functional.adaptive_avg_pool2d(flakes, side).clamp_min(budget)
                flakes = flakes * functional.interpolate(
                    budget / mean, size=flakes.shape[-2:], mode="nearest"
                )
        return edit(flakes) / 255

    def gabor(self, images: Tensor, labels: Tensor, epsilon: float) -> Tensor:
        pixels, count, size = 255 * images, len(images), images.shape[-1]
        kernels = torch.stack([self._waves() for _ in range(count)])[:, None]
        points = torch.zeros(count * size * size)
        drawn = torch.randperm(len(points), generator=self.draw)
        drawn = drawn[: round(len(points) / 14)]
        points[drawn] = 2 * self.uniform(len(drawn)) - 1
        points = points.view(count, 1, size, size)
        moving = (points == 0).float()

        def edit(points: Tensor) -> Tensor:
            noise = functional.conv2d(
                points.transpose(0, 1), kernels, padding=11, groups=count
            )
            noise = noise.transpose(0, 1)
            centre = noise.mean((1, 2, 3), keepdim=True)
            strength = (noise - centre).abs()
            strength = strength / strength.amax((1, 2, 3), keepdim=True)
            centre, gain = centre.detach(), (1.001 / (0.001 + strength)).detach()
            even = centre + (noise - centre) * gain
            least, most = even.detach().flatten(1).aminmax(dim=1)
            least, most = least.view(-1, 1, 1, 1), most.view(-1, 1, 1, 1)
            even = (even - least) / (most - least)
            return (pixels + epsilon * even).clamp(0, 255)

        for _ in range(self.steps):
            (move,) = self.slopes([points], edit, labels)
            points = points + math.sqrt(GRID_STEP / self.steps) * move.sign()
            points = points.clamp(-1, 1) * moving
        return edit(points) / 255

    def _waves(self) -> Tensor:
        """A Gabor kernel of several directions."""
        sides = 1 + self.whole(10)
        spread, wave, angle = self.uniform(3).tolist()
        spread, wave = 0.1 + 0.3 * spread, 3 + (23 / 4 - 3) * wave
        y, x = torch.meshgrid(*[torch.linspace(-0.5, 0.5, 23)] * 2, indexing="ij")
        kernel = torch.zeros(23, 23)
        for side in range(sides):
            turn = math.pi * (angle + side / sides)
            across = x * math.cos(turn) + y * math.sin(turn)
            bell = (-(x**2 + y**2) / (2 * (spread + 1e-3) ** 2)).exp()
            kernel += bell * (2 * math.pi * wave * across).cos()
        return kernel

    def elastic(
        self, images: Tensor, labels: Tensor, epsilon: float, aligned: bool = True
    ) -> Tensor:
        count, size = len(images), images.shape[-1]
        width, spread = (25, 3.0) if size >= 224 else (5, 3 * 32 / 224)
        places = torch.arange(width) - (width - 1) / 2
        weights = (-(places**2) / (2 * spread**2)).exp()
        blur = torch.outer(weights, weights)
        blur = (blur / blur.sum()).expand(2, 1, width, width)
        line = torch.linspace(-1, 1, size)
        rows, columns = torch.meshgrid(line, line, indexing="ij")
        here, bound = torch.stack([columns, rows], -1), epsilon * 2 / size

        def edit(flow: Tensor) -> Tensor:
            wide = functional.pad(flow, [width // 2] * 4, mode="reflect")
            smooth = functional.conv2d(wide, blur, groups=2).permute(0, 2, 3, 1)
            return 255 * functional.grid_sample(
                images, here + smooth, align_corners=aligned
            )

        flow = bound * (2 * self.uniform(count, 2, size, size) - 1)
        for _ in range(self.steps):
            (move,) = self.slopes([flow], edit, labels)
            flow = flow + bound / math.sqrt(self.steps) * move.sign()
            flow = flow.clamp(-bound, bound)
        return edit(flow) / 255

    def jpeg(
        self, images: Tensor, labels: Tensor, epsilon: float, largest: float = 2.0
    ) -> Tensor:
        code, count = Code(images), len(images)
        added = epsilon * self._in_l1_ball(count, 3 * images[0, 0].numel() // 2)
        for step in range(self.steps):
            # The first slope is looked for far outside of the ball.
            factor = epsilon if step == 0 else 1.0
            (move,) = self.slopes([added], lambda c, f=factor: code(f * c), labels)
            bound = torch.where(move > 0, largest - added, largest + added)
            added = added + (corner(move, bound, epsilon) - added) / (step + 1)
        return code(added) / 255

    def l1(self, images: Tensor, labels: Tensor, epsilon: float) -> Tensor:
        pixels = 255 * images
        delta = epsilon * self._in_l1_ball(len(images), images[0].numel())
        delta = delta.view_as(images)
        for step in range(self.steps):
            (move,) = self.slopes([delta], lambda d: pixels + d, labels)
            bound = torch.where(move > 0, 255 - pixels, pixels)
            delta = delta + (corner(move, bound, epsilon) - delta) / (step + 1)
        return (pixels + delta) / 255

    def l2(
        self, images: Tensor, labels: Tensor, epsilon: float, step_size: float
    ) -> Tensor:
        """DMAT's: from anywhere in the box, brought into the ball."""
        pixels = 255 * images

        def inside(delta: Tensor) -> Tensor:
            length = delta.flatten(1).norm(dim=1).clamp_min(1e-6).view(-1, 1, 1, 1)
            return delta * (epsilon / length).clamp_max(1)

        delta = inside(255 * self.uniform(*images.shape) - pixels)
        for _ in range(self.steps):
            (move,) = self.slopes([delta], lambda d: pixels + d, labels)
            length = move.flatten(1).norm(dim=1).clamp_min(1e-30).view(-1, 1, 1, 1)
            moved = (pixels + delta + step_size * move / length).clamp(0, 255)
            delta = inside(moved - pixels)
        return (pixels + delta) / 255

    def _in_l1_ball(self, count: int, dimensions: int) -> Tensor:
        lengths = -(1 - self.uniform(count, dimensions + 1)).log()
        signs = self.normal(count, dimensions).sign()
        return signs * lengths[:, 1:] / lengths.sum(1, keepdim=True)


def landscape(grids: Sequence[Tensor], side: int) -> Tensor:
    """The diamond-square map of a batch, with the neighbours that the released code takes."""
    count = len(grids[0])
    field, width, step = grids[0].new_zeros(count, side, side), 100.0, side
    left = iter(grids)
    while step > 1:
        half = step // 2
        old = field[:, ::step, ::step]
        right = old + old.roll(-1, 2)
        wild = (width * (2 * next(left) - 1) for _ in range(3))
        centre = (right + right.roll(-1, 1)) / 4 + next(wild)
        above = (centre + centre.roll(2, 1) + right) / 4 + next(wild)
        down = old + old.roll(-1, 1)
        beside = (centre + centre.roll(2, 2) + down) / 4 + next(wild)
        field = field.clone()
        field[:, half::step, half::step] = centre
        field[:, ::step, half::step] = above
        field[:, half::step, ::step] = beside
        step, width = half, width / 2
    return field


def streak(down: int, right: int, width: int) -> Tensor:
    """A line of 13 x 13 pixels from the middle to an end and, mirrored, back."""
    picture = torch.zeros(13, 13)
    steep = down > right
    long, short = (down, right) if steep else (right, down)
    slope = short / long
    half = width * math.sqrt(1 + slope) / 4
    for along in range(long + 1):
        for across in range(7):
            light = min(1.0, max(0.0, 1 + half - abs(across - slope * along)))
            row, column = (along, across) if steep else (across, along)
            picture[6 + row, 6 + column] = picture[6 - row, 6 - column] = light
    return picture


def corner(slope: Tensor, bound: Tensor, budget: float) -> Tensor:
    """The strongest values at their bounds, as many as a sum of magnitudes allows."""
    flat, limits = slope.flatten(1), bound.flatten(1)
    rows = torch.zeros_like(flat)
    for row, (own, most) in enumerate(zip(flat, limits, strict=True)):
        order = own.abs().argsort(descending=True)
        spent = most[order].cumsum(0)
        full = int((spent <= budget).sum())
        rows[row, order[:full]] = most[order[:full]]
        if full < len(order):
            before = float(spent[full - 1]) if full else 0.0
            rows[row, order[full]] = budget - before
    return slope.sign() * rows.view_as(slope)


LUMA = """16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56
14 17 22 29 51 87 80 62 18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92
49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99"""


class Code:
    """A JPEG file of each image, with numbers added to its quantised coefficients."""

    def __init__(self, images: Tensor) -> None:
        self.size = images.shape[-1]
        k = torch.arange(8.0)
        wave = (math.pi * torch.outer(k, 2 * k + 1) / 16).cos() / 2
        wave[0] /= math.sqrt(2)
        self.wave = wave
        luma = torch.tensor([float(n) for n in LUMA.split()]).view(8, 8)
        colour = torch.full((8, 8), 99.0)
        colour[:4, :4] = torch.tensor(
            [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
        )
        self.tables = luma, colour, colour
        red, green, blue = (255 * images).unbind(1)
        y = 0.299 * red + 0.587 * green + 0.114 * blue
        cb = -0.168736 * red - 0.331264 * green + 0.5 * blue
        cr = 0.5 * red - 0.418688 * green - 0.081312 * blue
        coarse = functional.avg_pool2d(torch.stack([cb, cr], 1), 2).unbind(1)
        self.planes = [
            (wave @ cut_up(plane) @ wave.T) / table
            for plane, table in zip((y - 128, *coarse), self.tables, strict=True)
        ]

    def __call__(self, added: Tensor) -> Tensor:
        """The images as they come out of the file; half of what is added counts."""
        planes, begin = [], 0
        for plane, table in zip(self.planes, self.tables, strict=True):
            own = plane[0].numel()
            noise = added[:, begin : begin + own].view_as(plane) / 2
            begin += own
            blocks = self.wave.T @ ((plane + noise) * table) @ self.wave
            count, rows = len(blocks), blocks.shape[1]
            planes.append(blocks.transpose(2, 3).reshape(count, 8 * rows, -1))
        y = planes[0] + 128
        cb, cr = (p.repeat_interleave(2, 1).repeat_interleave(2, 2) for p in planes[1:])
        green = y - 0.344136 * cb - 0.714136 * cr
        return torch.stack([y + 1.402 * cr, green, y + 1.772 * cb], 1).clamp(0, 255)


def cut_up(plane: Tensor) -> Tensor:
    """Blocks of 8 x 8 pixels: [B, rows, columns, 8, 8]."""
    return plane.unfold(1, 8, 8).unfold(2, 8, 8)
