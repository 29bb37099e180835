"""What each wildcard of the rules may be: the names that the config knows."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from pipeline_steps.config.schema import Config
from pipeline_steps.core.registry import words
from pipeline_steps.generators.spec import FlowTraining, GanTraining
from pipeline_steps.papers.spec import BEST, FROM


def patterns(config: Config) -> dict[str, str]:
    """For each wildcard a pattern that fits its known names and nothing else."""
    papers = config.papers.values()
    defenses = _of_any_seed([*config.defenses.defenses, *config.own.models])
    return {
        "dataset": _any_of(config.datasets),
        "corruption": _any_of(words("corruption")),
        "generator": _any_of(config.generators),
        "threat": _any_of(config.threats),
        "defense": f"{defenses}({re.escape(BEST)})?"
        f"({re.escape(FROM)}({_any_of(config.datasets)}))?",
        "paper": _any_of(config.papers),
        "table": _any_of({name for paper in papers for name in paper.tables}),
        "calibration": _any_of(
            {name for paper in papers for name in paper.calibrations}
        ),
        "figure": _any_of({name for paper in papers for name in paper.figures}),
        "shard": r"\d+-of-\d+",
        "split": "train|test",
    }


def known_names(
    config: Config, wildcard: str, others: Mapping[str, str]
) -> Collection[str]:
    """The values of a wildcard, to suggest the nearest in an error."""
    papers = [
        p for name, p in config.papers.items() if name == others.get("paper", name)
    ]
    known: dict[str, Collection[str]] = {
        "dataset": config.datasets,
        "corruption": words("corruption"),
        "generator": config.generators,
        "threat": config.threats,
        "defense": {*config.defenses.defenses, *config.own.models},
        "paper": config.papers,
        "table": {name for paper in papers for name in paper.tables},
        "figure": {name for paper in papers for name in paper.figures},
        "calibration": {name for paper in papers for name in paper.calibrations},
        "split": ("train", "test"),
    }
    return known.get(wildcard, ())


def patterns_of(rule: str, config: Config) -> dict[str, str]:
    """Rules whose wildcards have fewer or more values than these."""
    corrupted = rf"(\.({_any_of(words('corruption'))}))?"
    judged_on = {"dataset": f"({_any_of(config.datasets)}){corrupted}"}
    shards = config.scale.shards
    whole, cut = _whole_and_cut(config.threats, shards.threats)
    whole_on, cut_on = _whole_and_cut(config.generators, shards.generators)
    special = {
        "train_flow": {"generator": _trained_by(FlowTraining, config)},
        "train_gan": {"generator": _trained_by(GanTraining, config)},
        "project_dataset": {"generator": whole_on},
        "project_shard": {"generator": cut_on},
        "gather_manifold": {"generator": cut_on},
        "train_defense": {"defense": _of_any_seed(config.defenses.defenses)},
        "adopt_defense": {"defense": _of_any_seed(config.own.models)},
        "attack_defense": {**judged_on, "threat": whole},
        "attack_shard": {**judged_on, "threat": cut},
        "gather_verdicts": {**judged_on, "threat": cut},
    }
    return special.get(rule, {})


def _whole_and_cut(names: Iterable[str], shards: Mapping[str, int]) -> tuple[str, str]:
    """The names that one job handles, and those that are cut into shards."""
    cut = {name for name, count in shards.items() if count > 1}
    return _any_of(set(names) - cut), _any_of(cut)


def _trained_by(kind: type[Any], config: Config) -> str:
    known = config.generators.items()
    return _any_of(name for name, g in known if isinstance(g.training, kind))


def _of_any_seed(names: Iterable[str]) -> str:
    """These names, or the same with another seed than the first: `at@1`."""
    return rf"({_any_of(names)})(@\d+)?"


def _any_of(names: Iterable[str]) -> str:
    return "|".join(re.escape(name) for name in sorted(names)) or "none"
