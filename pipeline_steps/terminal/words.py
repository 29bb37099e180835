"""Jobs in words: what each is, and what came out of it, from its card."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipeline_steps.config.schema import Config
from pipeline_steps.jobs.planned import RuleJob

Metrics = Mapping[str, Any]


class Words:
    """What the jobs of a scale are called."""

    def __init__(self, config: Config) -> None:
        self.config, self.names = config, config.names

    def job(self, job: RuleJob, home: str = "") -> str:
        """As `AT under PGD-20`; the data set is told where it isn't `home`."""
        return _JOBS[job.result.rule](self, job.names, home)

    def _on(self, names: Mapping[str, str], home: str) -> str:
        dataset = names["dataset"]
        return "" if dataset == home else f" on {self.names.dataset(dataset)}"

    def _part(self, names: Mapping[str, str]) -> str:
        shard = names.get("shard", "")
        return shard and f", part {shard.replace('-of-', ' of ')}"

    def attack(self, names: Mapping[str, str], home: str) -> str:
        defense, threat = (
            self.names.defense(names["defense"]),
            self.names.threat(names["threat"]),
        )
        under = f" under {threat}" if names["threat"] != "clean" else ", no attack"
        return defense + under + self._on(names, home) + self._part(names)

    def training(self, names: Mapping[str, str], home: str) -> str:
        return f"training {self.names.defense(names['defense'])}{self._on(names, home)}"

    def generator(self, names: Mapping[str, str], home: str) -> str:
        name = self.names.generator(names["generator"])
        return f"training {name}{self._on(names, home)}"

    def manifold(self, names: Mapping[str, str], home: str) -> str:
        what = {"train": "training", "test": "test"}[names["split"]]
        manifold = self.names.generator(names["generator"])
        images = f"{what} images{self._on(names, home)} projected by {manifold}"
        return images + self._part(names)

    def page(self, names: Mapping[str, str], home: str) -> str:
        paper, page = (names[key] for key in names)
        content = self.config.papers[paper]
        titles = {name: table.title for name, table in content.tables.items()}
        titles |= {name: figure.title for name, figure in content.figures.items()}
        titles |= {name: each.title for name, each in content.calibrations.items()}
        title = titles[page]
        return f"{paper.upper()}, {title.partition(':')[0]}"


def _dataset(text: str) -> Callable[[Words, Mapping[str, str], str], str]:
    return lambda words, names, home: text.format(words.names.dataset(names["dataset"]))


_JOBS: Mapping[str, Callable[[Words, Mapping[str, str], str], str]] = {
    "fetch_dataset": _dataset("fetching {}"),
    "build_dataset": _dataset("building {}"),
    "show_dataset": _dataset("a sheet of {}"),
    "corrupt_dataset": lambda words, names, home: (
        "corrupting " + words.names.dataset(".".join(names.values()))
    ),
    "train_flow": Words.generator,
    "train_gan": Words.generator,
    "project_dataset": Words.manifold,
    "project_shard": Words.manifold,
    "gather_manifold": Words.manifold,
    "train_defense": Words.training,
    "adopt_defense": lambda words, names, home: (
        f"taking over {words.names.defense(names['defense'])}{words._on(names, home)}"
    ),
    "attack_defense": Words.attack,
    "attack_shard": Words.attack,
    "gather_verdicts": Words.attack,
    "explain_defense": lambda words, names, home: (
        f"Grad-CAM of {words.attack(names, home)}"
    ),
    "attack_snapshots": lambda words, names, home: (
        f"{words.attack(names, home)} while training"
    ),
    "make_table": Words.page,
    "make_figure": Words.page,
    "calibrate": Words.page,
    "check_claims": lambda words, names, home: f"claims of {names['paper'].upper()}",
    "gather_claims": lambda words, names, home: "claims of all papers",
    "make_report": lambda words, names, home: "the report",
}


def outcome(rule: str, card: Path) -> str:
    """The result of a job, such as `74.4 % [70.7, 78.1]`; empty if its card has
    none."""
    describe = _OUTCOMES.get(rule)
    try:
        metrics = json.loads(card.read_text(encoding="utf-8"))["metrics"]
        return describe(metrics) if describe else ""
    except (OSError, ValueError, KeyError):  # it is no reason to stop a run
        return ""


def _accuracy(metrics: Metrics) -> str:
    # Imported here, because NumPy takes a while, and a run starts without it.
    import numpy as np

    from pipeline_steps.papers.statistics import interval

    percent, images = metrics["accuracy"], metrics["images"]
    right = round(percent * images / 100)
    within = interval(np.arange(images)[np.newaxis] < right)
    return f"{percent:.1f} % [{within.low:.1f}, {within.high:.1f}]"


def _curve(metrics: Metrics) -> str:
    epochs = sorted(metrics["accuracy"], key=int)
    shown = dict.fromkeys((epochs[0], epochs[-1]))
    kept = (
        f"{metrics['accuracy'][epoch]:.1f} % after epoch {epoch}" for epoch in shown
    )
    return ", ".join(kept)


def _generator(metrics: Metrics) -> str:
    if "bits_per_dimension" in metrics:
        return f"{metrics['bits_per_dimension']:.2f} bits per dimension"
    return f"Fréchet distance {metrics['frechet_distance']:.1f}"


def _claims(metrics: Metrics) -> str:
    kinds = {
        "holds": "hold",
        "does_not_hold": "do not",
        "inconclusive": "inconclusive",
        "not_run": "not run",
    }
    counted = ((metrics[key], text) for key, text in kinds.items())
    return ", ".join(f"{count} {text}" for count, text in counted if count)


_OUTCOMES: Mapping[str, Callable[[Metrics], str]] = {
    "build_dataset": lambda metrics: (
        f"{metrics['train']['images']:,} training and {metrics['test']['images']:,} "
        "test images"
    ),
    "train_flow": _generator,
    "train_gan": _generator,
    "project_dataset": lambda metrics: f"PSNR {metrics['mean_psnr']:.1f} dB",
    "project_shard": lambda metrics: f"PSNR {metrics['mean_psnr']:.1f} dB",
    "gather_manifold": lambda metrics: f"PSNR {metrics['mean_psnr']:.1f} dB",
    "train_defense": lambda metrics: f"loss {metrics['loss']:.3g}",
    "attack_defense": _accuracy,
    "attack_shard": _accuracy,
    "gather_verdicts": _accuracy,
    "attack_snapshots": _curve,
    "make_table": lambda metrics: (
        f"{metrics['measured']} of {metrics['cells']} numbers measured"
    ),
    "check_claims": _claims,
    "gather_claims": _claims,
}


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 1:
        return "under 1 s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{seconds / 3600:.1f} h"
