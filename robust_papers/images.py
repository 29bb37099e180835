"""The images of a data set by name: from this checkout, or built in the user's cache.

    images, labels = load_images("digits")

A data set that was not built here is fetched and built by the pipeline's own steps, with
their checks, in the cache folder; `DATASETS_MIRROR` names places to be tried first.
"""

import os
import subprocess
import sys
from pathlib import Path

import torch
from torch import Tensor

from pipeline_steps import layout
from pipeline_steps.core.arrays import read_array
from pipeline_steps.core.card import read_card, verify
from pipeline_steps.core.digest import spec_text
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import ROOT
from pipeline_steps.datasets.loader import floats
from pipeline_steps.jobs.planned import RuleJob, planner
from pipeline_steps.release.loading import cache_folder


def load_images(
    dataset: str, split: str = "test", count: int | None = None
) -> tuple[Tensor, Tensor]:
    """Images in [0, 1] and their classes, in the data set's order."""
    if split not in ("train", "test"):
        raise PipelineError(f"there is no split '{split}'; valid: test, train")
    job = planner("paper").job("build_dataset", dataset)
    folder = next((f for f in (ROOT, cache_folder()) if _is_built(job, f)), None)
    if folder is None:
        folder = cache_folder()
        _build(dataset, folder)
    images, labels = (
        read_array(_checked(job, folder, f"{split}_{what}"))[:count]
        for what in ("images", "labels")
    )
    return floats(torch.tensor(images)), torch.tensor(labels).long()


def _is_built(job: RuleJob, folder: Path) -> bool:
    """Whether it lies in a folder as the config wants it now."""
    card = folder / job.outputs["card"]
    files = [folder / job.outputs[role] for role in job.outputs if role != "record"]
    return all(file.is_file() for file in files) and (
        spec_text(read_card(card).spec) == spec_text(job.spec)
    )


def _checked(job: RuleJob, folder: Path, role: str) -> Path:
    file = folder / job.outputs[role]
    verify(file, folder / job.outputs["card"], role)
    return file


def _build(dataset: str, folder: Path) -> None:
    """Runs the steps that fetch and build it, as the rules do."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    for rule in ("fetch_dataset", "build_dataset"):
        result = layout.card(rule, dataset=dataset)
        done = subprocess.run(
            [sys.executable, "-m", "pipeline_steps", result],
            cwd=folder,
            # No module is looked for in the folder in which it runs.
            env={**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            reason = done.stderr.strip().rpartition("error: ")[2] or "the step failed"
            raise PipelineError(f"data set {dataset} could not be built: {reason}")
