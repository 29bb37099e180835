"""What bfloat16 changes: recipes trained in it and in float32, with several seeds.

python -m benchmarks.precision --data data/cifar10 --glow GLOW.safetensors --out FOLDER
    [--scale cores] [--dataset cifar10] [--recipes at trades ijsat atld] [--seeds 0 1 2]
    [--images 5000] [--epochs 4] [--test 200]

Each recipe is trained at the scale's settings, cut to so many images and epochs, once for
each precision and seed, and then attacked in float32, so that only the training differs.
GLOW is the scale's trained flow. What is done lies in FOLDER, a file for each training, and
is not done again. At the end a table shows the mean difference between the precisions
beside the spread over seeds.
"""

import argparse
import json
import statistics
import tempfile
from itertools import product
from pathlib import Path

import torch

from pipeline_steps.config.load import load_config
from pipeline_steps.core.device import prepare_device
from pipeline_steps.core.shards import cut
from pipeline_steps.core.tables import stacked
from pipeline_steps.datasets.loader import ImageSet, load_image_set
from pipeline_steps.defenses.train_defense import train_defense
from pipeline_steps.evaluation.verdicts import judge
from pipeline_steps.generators.generator import load_generators
from pipeline_steps.generators.spec import generators_in
from pipeline_steps.jobs.specs import Specs
from pipeline_steps.threats.catalogue import build_threat

THREATS = ("clean", "pgd20", "jsa50", "autoattack")
PRECISIONS = ("float32", "bfloat16")


def accuracies(
    specs: Specs,
    name: str,
    precision: str,
    data: tuple[ImageSet, ImageSet],
    chosen: argparse.Namespace,
) -> dict[str, float]:
    """Accuracy in percent under each threat, of one training."""
    train, test = data
    spec = specs.defense(chosen.dataset, name)
    shorter = {"precision": precision, "epochs": chosen.epochs, "drops": []}
    schedule = spec.schedule.model_copy(update=shorter)
    changed = {"schedule": schedule, "snapshots": 0, "monitor": None}
    spec = spec.model_copy(update=changed)
    device = train.labels.device
    threats = {t: specs.threat(t, chosen.dataset) for t in THREATS}
    entries = [spec.model_dump(), *(t.model_dump() for t in threats.values())]
    weights = [chosen.glow] if generators_in(entries) else []
    generators = load_generators({"all": entries}, weights, device)
    with tempfile.TemporaryDirectory() as scratch:
        model, _ = train_defense(spec, train, generators, Path(scratch), device)
    model.eval()
    kept = {}
    for threat, described in threats.items():
        attack = build_threat(described, generators)
        parts = judge(model, test, attack, cut(len(test), 100), spec.seed)
        correct = stacked([part.table() for part in parts])["correct"]
        kept[threat] = 100 * float(correct.mean())
    return kept


def table(results: dict[tuple[str, str, int], dict[str, float]]) -> str:
    """Means over seeds, the difference, and the spread that seeds alone cause."""
    lines = [
        "| recipe | threat | float32 | bfloat16 | difference | spread over seeds |",
        "|---|---|---|---|---|---|",
    ]
    recipes = dict.fromkeys(recipe for recipe, _, _ in results)
    for recipe, threat in product(recipes, THREATS):
        values = {
            p: [
                r[threat]
                for (name, q, _), r in results.items()
                if (name, q) == (recipe, p)
            ]
            for p in PRECISIONS
        }
        exact, fast = (statistics.mean(values[p]) for p in PRECISIONS)
        spreads = [statistics.stdev(v) for v in values.values() if len(v) > 1]
        spread = f"{max(spreads):.1f}" if spreads else "one seed"
        lines.append(
            f"| {recipe} | {threat} | {exact:.1f} | {fast:.1f} | {fast - exact:+.1f} "
            f"| {spread} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--glow", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scale", default="cores")
    parser.add_argument("--dataset", default="cifar10")
    parser.add_argument(
        "--recipes", nargs="+", default=["at", "trades", "ijsat", "atld"]
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--test", type=int, default=200)
    chosen = parser.parse_args()
    device, specs = prepare_device(), Specs(load_config(chosen.scale))
    train, test = (
        load_image_set(
            chosen.data / f"{split}.images.npy",
            chosen.data / f"{split}.labels.npy",
            device,
            count,
        )
        for split, count in (("train", chosen.images), ("test", chosen.test))
    )
    chosen.out.mkdir(parents=True, exist_ok=True)
    results: dict[tuple[str, str, int], dict[str, float]] = {}
    for seed, recipe, precision in product(chosen.seeds, chosen.recipes, PRECISIONS):
        path = chosen.out / f"{recipe}-{precision}-{seed}.json"
        if not path.exists():
            name = f"{recipe}@{seed}" if seed != specs.config.scale.seeds[0] else recipe
            accuracy = accuracies(specs, name, precision, (train, test), chosen)
            path.write_text(json.dumps(accuracy))
        results[recipe, precision, seed] = json.loads(path.read_text())
        print(path.stem, results[recipe, precision, seed], flush=True)
    print(table(results))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
