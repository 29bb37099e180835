"""Draws every threat on the same photographs: python -m docs.threats --scale small

It takes the weights of a defense and of a generator where the pipeline has put them, edits
scikit-learn's two sample photographs, and writes docs/pictures/threats-*.png.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from matplotlib.figure import Figure
from sklearn.datasets import load_sample_images
from torch import Tensor, nn
from torch.nn import functional

from pipeline_steps.config.load import load_config
from pipeline_steps.core.registry import ROOT
from pipeline_steps.core.rng import image_rng
from pipeline_steps.defenses.load import load_model
from pipeline_steps.generators.generator import load_generators
from pipeline_steps.generators.spec import generators_in
from pipeline_steps.jobs.specs import Specs
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.catalogue import build_threat

PICTURES = Path(__file__).parent / "pictures"
SMALL = (
    *("fgsm", "rs-fgsm", "pgd20", "mia", "cw20", "l2-cifar", "l1-cifar"),
    *("om-fgsm", "om-pgd", "jsa50", "spatial", "joint", "joint-ps"),
    *("cascade1", "one-pass1", "elastic-cifar", "jpeg-cifar", "jpeg-linf-cifar"),
    *("autoattack", "rays10k"),
)
LARGE = (
    *("rs-fgsm", "pgd50", "mia", "l2", "l1", "l1-fw"),
    *("fog", "snow", "elastic", "gabor", "jpeg"),
)
CELLS = 4


def photographs(size: int) -> Tensor:
    """The middle squares of a temple's roof and of a flower."""
    squares = []
    for photograph in load_sample_images().images:
        whole = torch.from_numpy(photograph.copy()).permute(2, 0, 1) / 255
        left = (whole.shape[2] - whole.shape[1]) // 2
        square = whole[None, :, :, left : left + whole.shape[1]]
        squares.append(functional.interpolate(square, size, mode="area"))
    return torch.cat(squares)


def edited(plan: Specs, model: nn.Module, dataset: str, name: str, size: int) -> Batch:
    """The photographs under a threat that leads away from what the model sees in them."""
    images = photographs(size)
    with torch.no_grad():
        batch = Batch(images, model(images).argmax(dim=1))
    spec = plan.attack(dataset, "at", name).threat
    places = [
        ROOT
        / f"results/{plan.config.name}/checkpoints/generators/{dataset}/{generator}"
        for generator in generators_in(spec.model_dump())
    ]
    weights = [place.with_suffix(".safetensors") for place in places]
    generators = load_generators(spec.model_dump(), weights, "cpu")
    threat = build_threat(spec, generators)
    draw = image_rng(0, range(len(images)), "attack")
    return Batch(threat(model, batch, draw), batch.labels)


def draw(
    plan: Specs, model: nn.Module, dataset: str, names: Sequence[str], size: int
) -> Figure:
    """A cell for each threat: the edited photographs, and beside them the difference."""
    clean, rows = photographs(size), -(-(len(names) + 1) // CELLS)
    figure = Figure(figsize=(CELLS * 2.3, rows * 2.55), dpi=120)
    cells = iter(figure.subfigures(rows, CELLS, wspace=0.02, hspace=0.02).flat)
    shown = {"clean": clean}
    shown |= {n: edited(plan, model, dataset, n, size).images for n in names}
    for cell, (name, images) in zip(cells, shown.items(), strict=False):
        difference = images - clean
        most = float(difference.abs().quantile(0.99))
        times = int(min(10, max(1, 0.5 / most))) if most else 1
        axes = cell.subplots(2, 2, gridspec_kw={"wspace": 0.03, "hspace": 0.03})
        for row, (image, apart) in enumerate(zip(images, difference, strict=True)):
            pair = (image, (0.5 + times * apart).clamp(0, 1))
            for axis, pixels in zip(axes[row], pair, strict=True):
                axis.imshow(pixels.permute(1, 2, 0).numpy(), interpolation="nearest")
                axis.set(xticks=[], yticks=[])
        cell.suptitle(
            f"{name}, difference ×{times}" if name != "clean" else name, fontsize=8
        )
        cell.subplots_adjust(0.01, 0.01, 0.99, 0.9)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scale", default="small")
    parser.add_argument("--dataset", default="cifar10")
    told = parser.parse_args()
    torch.set_num_threads(1)
    plan = Specs(load_config(told.scale))
    dataset = plan.pages.stand_in(told.dataset)
    network = plan.attack(dataset, "at", "clean").architecture
    place = f"results/{told.scale}/checkpoints/defenses/{dataset}/at.safetensors"
    model = load_model(network, ROOT / place)
    size = plan.config.datasets[dataset].size
    for title, whose, names, pixels in [
        ("cifar", dataset, SMALL, size),
        ("imagenet", "mixed10", LARGE, 256),
    ]:
        figure = draw(plan, model, whose, names, pixels)
        figure.savefig(PICTURES / f"threats-{title}.png", metadata={"Software": None})


if __name__ == "__main__":
    main()
