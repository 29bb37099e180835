"""What holds between the files of a config: names that exist, and parts that fit."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline_steps.config import user_models
from pipeline_steps.config.datasets import GAN
from pipeline_steps.config.defenses import NOT_TRAINED, Defense
from pipeline_steps.config.schema import Config
from pipeline_steps.config.threats import can_vary
from pipeline_steps.core.amounts import Relative
from pipeline_steps.core.registry import ROOT, did_you_mean, words
from pipeline_steps.core.settings import Name
from pipeline_steps.generators.spec import GanTraining
from pipeline_steps.jobs.networks import judged

FOLDER = Path("workflow/config")


def config_file(name: str) -> str:
    return f"{FOLDER / name}.yaml"


def complaints(config: Config) -> Iterator[str]:
    """What is wrong between the files, a sentence each."""
    yield from user_models.complaints(config.own, config.defenses.defenses)
    known = _known(config)
    for place, kind, name in _references(config):
        if name not in known[kind]:
            near = did_you_mean(name, known[kind])
            yield f"{place}: there is no {kind} '{name}'{near}"
    for place, complaint in _misfits(config):
        yield f"{place}: {complaint}"


def _known(config: Config) -> dict[str, set[str]]:
    return {
        "dataset": set(config.datasets),
        "generator": set(config.generators),
        "threat": set(config.threats),
        "defense": judged(config),
        "schedule": set(config.defenses.schedules),
        "architecture": set(words("architecture")),
        "step": _steps(),
        "paper": set(config.papers),
    }


def _steps() -> set[str]:
    """Every module that a rule can run."""
    modules = (ROOT / "pipeline_steps").glob("*/*.py")
    return {path.stem for path in modules if "__main__" in path.read_text("utf-8")}


def _references(config: Config) -> Iterator[tuple[str, str, str]]:
    """Every name that one file takes from another: where, of what kind, which."""
    for name, dataset in config.datasets.items():
        where = f"{config_file('datasets')}: {name}.corruptions"
        if dataset.corruptions.published:
            yield where, "dataset", dataset.corruptions.published
        where = f"{config_file('datasets')}: {name}"
        if made := dataset.projected:
            yield f"{where}.projected", "dataset", made.dataset
            yield f"{where}.projected", "generator", made.generator
        if dataset.gan:
            yield f"{where}.gan", "generator", dataset.gan
    for name, generator in config.generators.items():
        features = generator.projection.features
        if (
            isinstance(generator.training, GanTraining)
            and features not in config.datasets
        ):
            where = f"{config_file('generators')}: {name}.projection.features"
            yield where, "defense", features
    for name, threat in config.threats.items():
        for word in _names([threat.edit, threat.objective, threat.attack]):
            # A defense may be one of another seed: `at@1`.
            known = word.partition("@")[0] if word.kind == "defense" else word
            if word != GAN:
                yield f"{config_file('threats')}: {name}", word.kind, known
    for name, defense in config.defenses.defenses.items():
        place = f"{config_file('defenses')}: defenses.{name}"
        yield place, "schedule", defense.schedule
        watched = defense.monitor and defense.monitor.threat
        for word in _names([defense.recipe, watched]):
            if word != GAN:
                yield place, word.kind, word
    scale = config_file(f"scales/{config.name}")
    for pair in config.scale.stand_ins.datasets.items():
        yield from ((f"{scale}: stand_ins.datasets", "dataset", name) for name in pair)
    for architecture in config.scale.stand_ins.architectures:
        yield f"{scale}: stand_ins.architectures", "architecture", architecture
    shards = config.scale.shards
    for kind, wide in (("threat", shards.threats), ("generator", shards.generators)):
        yield from ((f"{scale}: shards.{kind}s", kind, name) for name in wide)
    for step in set(config.scale.resources) - {"default"}:
        yield f"{scale}: resources", "step", step
    for paper, pages in config.scale.pages.items():
        place = f"{scale}: pages"
        yield place, "paper", paper
        for page, part in pages.items():
            for name in part.defenses or ():
                yield f"{place}.{paper}.{page}", "defense", name
            for name in part.threats or ():
                yield f"{place}.{paper}.{page}", "threat", name


def _names(value: Any) -> Iterator[Name]:
    if isinstance(value, Name):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _names(item)
    elif isinstance(value, list):
        for item in value:
            yield from _names(item)


def _misfits(config: Config) -> Iterator[tuple[str, str]]:
    """What each file holds rightly alone, and wrongly together."""
    if "default" not in config.scale.resources:
        yield (
            f"{config_file(f'scales/{config.name}')}: resources",
            "the key 'default' is missing",
        )
    scale = config.scale
    if scale.claim_seeds and scale.claim_seeds[0] != scale.seeds[0]:
        yield (
            f"{config_file(f'scales/{config.name}')}: claim_seeds",
            f"the first is {scale.seeds[0]}, the first of `seeds`: names without a seed "
            "mean that one",
        )
    for name, dataset in config.datasets.items():
        if (dataset.source is None) == (dataset.projected is None):
            place = f"{config_file('datasets')}: {name}"
            yield place, "say either its source, or what it is `projected` from"
        for budget, amount in dataset.budgets:
            if isinstance(amount, Relative):
                where = f"{config_file('datasets')}: {name}.budgets.{budget}"
                yield (
                    where,
                    "a budget is a number or a fraction, no multiple of a budget",
                )
    for name, schedule in config.defenses.schedules.items():
        if bool(schedule.knots) == bool(schedule.learning_rate):
            place = f"{config_file('defenses')}: schedules.{name}"
            yield place, "say either a learning_rate or its knots"
    for name, threat in config.threats.items():
        place = f"{config_file('threats')}: {name}"
        if (threat.edit is None) == (threat.attack is None):
            yield place, "say either an edit with its steps, or an attack"
        if threat.edit is not None and threat.steps is None:
            yield f"{place}.steps", "the key 'steps' is missing"
        if threat.family and not can_vary(threat):
            yield (
                f"{place}.family",
                "its edit has no epsilon and step_size to be varied",
            )
        if threat.attack is not None:
            for key in sorted(threat.model_fields_set - {"title", "attack", "images"}):
                yield (
                    f"{place}.{key}",
                    "only an edit takes this; see the attack's own settings",
                )
    for name, defense in config.defenses.defenses.items():
        if defense.weights_of and not _same_training(config, defense):
            yield (
                f"{config_file('defenses')}: defenses.{name}",
                f"a defense with the weights of '{defense.weights_of}' is trained as "
                "that one is; say nothing but its title and its inference",
            )
    for paper, content in config.papers.items():
        known = content.pages
        place = f"{config_file(f'scales/{config.name}')}: pages.{paper}"
        for page, part in config.scale.pages.get(paper, {}).items():
            if page not in known:
                near = did_you_mean(page, known)
                yield place, f"there is no table or figure '{page}'{near}"
            shown = content.figures[page].panels if page in content.figures else []
            if shown and not any(part.shows(p) for row in shown for p in row.spread()):
                yield f"{place}.{page}", "this leaves no panel of the figure"


def _same_training(config: Config, defense: Defense) -> bool:
    trained = config.defenses.defenses[str(defense.weights_of)]
    return defense.model_dump(exclude=NOT_TRAINED) == trained.model_dump(
        exclude=NOT_TRAINED
    )
