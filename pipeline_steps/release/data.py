"""Builds one data set alone, and tells what its card says."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from pipeline_steps import layout
from pipeline_steps.config.load import load_config
from pipeline_steps.core.card import Card, read_card
from pipeline_steps.core.errors import PipelineError, last_words, sentences_in
from pipeline_steps.core.progress import say
from pipeline_steps.core.registry import did_you_mean
from pipeline_steps.layout import RULES

BUILDING = ("fetch_dataset", "build_dataset", "show_dataset")


def build(name: str, scale: str, cores: int, root: Path) -> Card:
    """The card of a data set, which Snakemake has made or found up to date."""
    known = load_config(scale, root).datasets
    if not name:
        raise PipelineError(f"name a data set, NAME=…{did_you_mean(name, known)}")
    if name not in known:
        raise PipelineError(f"there is no data set '{name}'{did_you_mean(name, known)}")
    command = [
        sys.executable,
        "-m",
        "snakemake",
        layout.file("show_dataset", "sheet", dataset=name),
    ]
    command += ["--cores", str(cores), "--config", f"scale={scale}"]
    logs = [RULES[rule].log.format(dataset=name) for rule in BUILDING]
    say(f"how far it is: {' '.join(logs)}")
    before = _ends_of_logs(name, root)
    done = subprocess.run(
        command, cwd=root, check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise PipelineError(
            _why(name, root, before) or last_words(done.stdout + done.stderr)
        )
    return read_card(root / layout.card("build_dataset", dataset=name))


def _ends_of_logs(name: str, root: Path) -> dict[Path, int]:
    """When each log of a data set was last written to."""
    logs = (root / RULES[rule].log.format(dataset=name) for rule in BUILDING)
    return {log: log.stat().st_mtime_ns for log in logs if log.is_file()}


def _why(name: str, root: Path, before: dict[Path, int]) -> str:
    """The sentence in which the step that failed ended, whose log has changed since."""
    for log, written in _ends_of_logs(name, root).items():
        if written != before.get(log):
            sentences = sentences_in(log.read_text(encoding="utf-8"))
            if sentences:
                return sentences[0]
    return ""


def described(name: str, card: Card) -> Iterator[str]:
    """A card as a person reads it."""
    spec, metrics = card.spec["dataset"], card.metrics
    shape = f"{spec['channels']} x {spec['size']} x {spec['size']}"
    yield f"{name}: {spec['classes']} classes, uint8 of {shape}"
    for split in ("train", "test"):
        numbers = metrics[split]
        yield f"  {split}: {numbers['images']:,} images"
        for what in ("mean", "deviation"):
            yield f"    {what:<10} {' '.join(f'{v:.4f}' for v in numbers[what])}"
    yield "  images of each class, for training and for testing"
    width = max(map(len, metrics["names"]))
    both = (metrics[split]["per_class"] for split in ("train", "test"))
    for label, row in enumerate(zip(metrics["names"], *both, strict=True)):
        class_name, train, test = row
        yield f"    {label:>3} {class_name:<{width}} {train:>7,} {test:>7,}"
    card_path = layout.card("build_dataset", dataset=name)
    yield f"  {card_path}, {layout.file('show_dataset', 'sheet', dataset=name)}"
