"""Made-up tables and verdicts for the tests of their forms, and steps run by hand."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from pipeline_steps.config.load import load_config
from pipeline_steps.core.card import Card, file_facts
from pipeline_steps.core.job_file import JobFile
from pipeline_steps.core.step import run
from pipeline_steps.jobs.specs import Specs
from pipeline_steps.papers.results import Cell, JudgedRun
from pipeline_steps.papers.spec import TableSpec
from pipeline_steps.papers.statistics import Key, Outcomes
from pipeline_steps.papers.tables import Judged, cells

IMAGES = 200


def spec(**changes: Any) -> TableSpec:
    content = {
        "paper": "ijsat",
        "table": "table1",
        "title": "Table 1: accuracy",
        "scale": "demo",
        "scale_title": "minutes on two cores",
        "dataset": "cifar10",
        "stand_ins": {"cifar10": "digits"},
        "average": "Avg",
        "columns": [
            {"name": "Standard", "threat": "clean"},
            {"name": "PGD-20", "threat": "pgd20"},
        ],
        "rows": [
            {
                "name": "AT",
                "defense": "at",
                "published": [84.0, 50.0],
                "published_average": 67.0,
                "doubt": "84 here, 83 elsewhere",
            },
            {
                "name": "DMAT",
                "not_run": "not part of this",
                "published": [82.0, 45.0],
                "published_average": 63.5,
            },
        ],
        "runs": [],
    }
    return TableSpec.model_validate(content | changes)


def outcomes_of(**accuracies: list[float]) -> dict[Key, Outcomes]:
    """Made-up outcomes of `at`: by threat, an accuracy for each seed."""
    order = np.random.default_rng(0).permutation(IMAGES)
    return {
        ("digits", "at", threat): np.stack([order < a * IMAGES / 100 for a in seeds])
        for threat, seeds in accuracies.items()
    }


def made(
    outcomes: dict[Key, Outcomes], table: TableSpec | None = None, **card: Any
) -> list[list[Cell]]:
    metrics = {key: [card] * len(seeds) for key, seeds in outcomes.items()}
    runs = {
        key: [judged(*key, seed) for seed in range(len(seeds))]
        for key, seeds in outcomes.items()
    }
    threats = {key: threat(key[2]) for key in outcomes}
    return cells(table or spec(), Judged(outcomes, metrics, runs, threats))


def judged(dataset: str, defense: str, threat: str, seed: int) -> JudgedRun:
    return JudgedRun(
        dataset=dataset,
        defense=defense,
        threat=threat,
        seed=seed,
        file=f"{dataset}/{defense}/{threat}@{seed}",
        card=f"card of {threat} {seed}",
    )


@cache
def threat(name: str) -> dict[str, Any]:
    """What the config makes of a threat on the digits."""
    return Specs(load_config("demo")).threat(name, "digits").model_dump()


def card(path: Path, role: str, **metrics: Any) -> Path:
    beside = path.with_suffix(".json")
    facts = {role: file_facts(path)}
    Card("a.step", {}, {"digest": "c" * 64}, {}, facts, metrics).seen_from(
        beside.parent
    ).write(beside)
    return beside


def step(
    module: Any,
    spec: Any,
    inputs: dict[str, list[Path]],
    outputs: dict[str, Path],
) -> None:
    """Runs a step in this process, as a job file describes it."""
    name = module.__name__.removeprefix("pipeline_steps.")
    job = JobFile(
        step=name,
        spec=spec.model_dump(mode="json"),
        outputs={role: str(path) for role, path in outputs.items()},
        inputs={role: [*map(str, paths)] for role, paths in inputs.items()},
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "job.json"
        job.write(path)
        run(name, type(spec), module.main, [str(path)])
