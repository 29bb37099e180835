"""What each wildcard of the rules may be: the names that the config knows."""

import re
from collections.abc import Iterable
from pathlib import Path

from pipeline_steps.config.load import scales
from pipeline_steps.config.schema import Config
from pipeline_steps.core.registry import words
from pipeline_steps.jobs.names import BEST
from pipeline_steps.papers.spec import FROM


def patterns(config: Config, root: Path) -> dict[str, str]:
    """For each wildcard a pattern that fits its known names and nothing else."""
    defenses = defenses_like([*config.defenses.defenses, *config.own.models])
    return {
        "scale": _any_of(scales(root)),
        "dataset": _any_of(config.datasets),
        "corruption": _any_of(words("corruption")),
        "generator": _any_of(config.generators),
        "threat": _any_of(config.threats),
        "defense": f"{defenses}({re.escape(BEST)})?"
        f"({re.escape(FROM)}({_any_of(config.datasets)}))?",
        "paper": _any_of(config.papers),
        "table": _any_of({t for p in config.papers.values() for t in p.tables}),
        "calibration": _any_of(
            {c for p in config.papers.values() for c in p.calibrations}
        ),
        "figure": _any_of({f for p in config.papers.values() for f in p.figures}),
        "shard": r"\d+-of-\d+",
        "split": "train|test",
    }


def judged_on(datasets: Iterable[str]) -> str:
    """These data sets, as they are or corrupted."""
    return rf"({_any_of(datasets)})(\.({_any_of(words('corruption'))}))?"


def defenses_like(names: Iterable[str]) -> str:
    """These names, or the same of another seed than the first: `at@1`."""
    return rf"({_any_of(names)})(@\d+)?"


def _any_of(names: Iterable[str]) -> str:
    return "|".join(re.escape(name) for name in sorted(names)) or "none"
