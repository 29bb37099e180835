"""What holds between the files of a config: names that exist, and parts that fit."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pipeline_steps.config import user_models
from pipeline_steps.config.datasets import GAN, Dataset
from pipeline_steps.config.defenses import NOT_TRAINED, Defense
from pipeline_steps.config.generators import Generator
from pipeline_steps.config.papers import Paper
from pipeline_steps.config.scales import Part, Scale
from pipeline_steps.config.schema import Config
from pipeline_steps.config.threats import ThreatConfig, can_vary
from pipeline_steps.core.amounts import Relative
from pipeline_steps.core.registry import ROOT, did_you_mean, words
from pipeline_steps.core.settings import Name
from pipeline_steps.defenses.spec import Schedule
from pipeline_steps.generators.spec import GanTraining

FOLDER = Path("workflow/config")


class Reference(NamedTuple):
    """A name that one file takes from another."""

    where: str
    """The file that names it, and the key."""
    kind: str
    """What it is a name of: a `dataset`, a `threat`, ..."""
    name: str


class Misfit(NamedTuple):
    """What a file holds rightly alone, and wrongly together."""

    where: str
    complaint: str


def config_folder(root: Path) -> Path:
    """Where the YAML lies: a checkout's own, or the copy that the wheel brings."""
    own = root / FOLDER
    return own if own.is_dir() else root / "pipeline_steps/workflow_config"


def config_file(name: str) -> str:
    """A file of the config, as sentences name it."""
    return f"{FOLDER / name}.yaml"


def _entry(config: Config, section: str, name: str) -> str:
    """Where an entry stands: its file, which may be a plugin's, and its key."""
    inside = f"{section}." if section in ("defenses", "schedules") else ""
    return f"{config_file(config.file(section, name))}: {inside}{name}"


def complaints(config: Config) -> Iterator[str]:
    """What is wrong between the files, a sentence each."""
    yield from user_models.complaints(config.own, config.defenses.defenses)
    known = _known(config)
    for where, kind, name in _references(config):
        if name not in known[kind]:
            near = did_you_mean(name, known[kind])
            yield f"{where}: there is no {kind} '{name}'{near}"
    for where, complaint in _misfits(config):
        yield f"{where}: {complaint}"


def _known(config: Config) -> dict[str, set[str]]:
    return {
        "dataset": set(config.datasets),
        "generator": set(config.generators),
        "threat": set(config.threats),
        "defense": config.judged,
        "schedule": set(config.defenses.schedules),
        "architecture": set(words("architecture")),
        "step": _steps(),
        "paper": set(config.papers),
    }


def _steps() -> set[str]:
    """Every module that a rule can run."""
    modules = (ROOT / "pipeline_steps").glob("*/*.py")
    return {path.stem for path in modules if "__main__" in path.read_text("utf-8")}


def _references(config: Config) -> Iterator[Reference]:
    """Every name that one file takes from another."""
    for name, dataset in config.datasets.items():
        yield from _names_in_dataset(_entry(config, "datasets", name), dataset)
    for name, generator in config.generators.items():
        where = _entry(config, "generators", name)
        yield from _names_in_generator(where, generator, config.datasets)
    for name, threat in config.threats.items():
        yield from _names_in_threat(_entry(config, "threats", name), threat)
    for name, defense in config.defenses.defenses.items():
        where = _entry(config, "defenses", name)
        yield from _names_in_defense(where, defense)
    file = config_file(f"scales/{config.name}")
    yield from _names_in_scale(file, config.scale)
    yield from _names_in_pages(f"{file}: pages", config.scale.pages)


def _names_in_dataset(where: str, dataset: Dataset) -> Iterator[Reference]:
    if dataset.corruptions.published:
        corruptions = f"{where}.corruptions"
        yield Reference(corruptions, "dataset", dataset.corruptions.published)
    if dataset.projected:
        projected = f"{where}.projected"
        yield Reference(projected, "dataset", dataset.projected.dataset)
        yield Reference(projected, "generator", dataset.projected.generator)
    if dataset.gan:
        yield Reference(f"{where}.gan", "generator", dataset.gan)


def _names_in_generator(
    where: str, generator: Generator, datasets: Collection[str]
) -> Iterator[Reference]:
    """A GAN's features are those of a data set of weights, or of a defense."""
    features = generator.projection.features
    if isinstance(generator.training, GanTraining) and features not in datasets:
        yield Reference(f"{where}.projection.features", "defense", features)


def _names_in_threat(where: str, threat: ThreatConfig) -> Iterator[Reference]:
    for name in _names([threat.edit, threat.objective, threat.attack]):
        # A defense may be one of another seed: `at@1`.
        known = name.partition("@")[0] if name.kind == "defense" else name
        if name != GAN:
            yield Reference(where, name.kind, known)


def _names_in_defense(where: str, defense: Defense) -> Iterator[Reference]:
    yield Reference(where, "schedule", defense.schedule)
    watched = defense.monitor and defense.monitor.threat
    for name in _names([defense.recipe, watched]):
        if name != GAN:
            yield Reference(where, name.kind, name)


def _names_in_scale(file: str, scale: Scale) -> Iterator[Reference]:
    named: dict[tuple[str, str], Collection[str]] = {
        ("stand_ins.datasets", "dataset"): [
            name for pair in scale.stand_ins.datasets.items() for name in pair
        ],
        ("stand_ins.architectures", "architecture"): scale.stand_ins.architectures,
        ("shards.threats", "threat"): scale.shards.threats,
        ("shards.generators", "generator"): scale.shards.generators,
        ("resources", "step"): scale.resources.keys() - {"default"},
    }
    for (key, kind), names in named.items():
        for name in names:
            yield Reference(f"{file}: {key}", kind, name)


def _names_in_pages(
    where: str, pages: Mapping[str, Mapping[str, Part]]
) -> Iterator[Reference]:
    for paper, parts in pages.items():
        yield Reference(where, "paper", paper)
        for page, part in parts.items():
            inside = f"{where}.{paper}.{page}"
            for name in part.defenses or ():
                yield Reference(inside, "defense", name)
            for name in part.threats or ():
                yield Reference(inside, "threat", name)


def _names(value: Any) -> Iterator[Name]:
    if isinstance(value, Name):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _names(item)
    elif isinstance(value, list):
        for item in value:
            yield from _names(item)


def _misfits(config: Config) -> Iterator[Misfit]:
    """All parts that do not fit together."""
    file = config_file(f"scales/{config.name}")
    yield from _misfits_in_scale(file, config.scale)
    for name, dataset in config.datasets.items():
        yield from _misfits_in_dataset(_entry(config, "datasets", name), dataset)
    for name, generator in config.generators.items():
        where = _entry(config, "generators", name)
        yield from _misfits_in_generator(where, generator)
    for name, schedule in config.defenses.schedules.items():
        where = _entry(config, "schedules", name)
        yield from _misfits_in_schedule(where, schedule)
    for name, threat in config.threats.items():
        yield from _misfits_in_threat(_entry(config, "threats", name), threat)
    for name, defense in config.defenses.defenses.items():
        where = _entry(config, "defenses", name)
        yield from _misfits_in_defense(where, defense, config.defenses.defenses)
    for name, paper in config.papers.items():
        parts = config.scale.pages.get(name, {})
        yield from _misfits_in_pages(f"{file}: pages.{name}", paper, parts)


def _misfits_in_scale(file: str, scale: Scale) -> Iterator[Misfit]:
    if "default" not in scale.resources:
        yield Misfit(f"{file}: resources", "the key 'default' is missing")
    if scale.claim_seeds and scale.claim_seeds[0] != scale.seeds[0]:
        yield Misfit(
            f"{file}: claim_seeds",
            f"the first is {scale.seeds[0]}, the first of `seeds`: names without a seed "
            "mean that one",
        )


def _misfits_in_dataset(where: str, dataset: Dataset) -> Iterator[Misfit]:
    if (dataset.source is None) == (dataset.projected is None):
        yield Misfit(where, "say either its source, or what it is `projected` from")
    for budget, amount in dataset.budgets:
        if isinstance(amount, Relative):
            yield Misfit(
                f"{where}.budgets.{budget}",
                "a budget is a number or a fraction, no multiple of a budget",
            )


def _misfits_in_generator(where: str, generator: Generator) -> Iterator[Misfit]:
    gan = isinstance(generator.training, GanTraining)
    if generator.decoded == "raw" and not gan:
        complaint = "a flow gives images back as they are; `raw` is for a GAN's"
        yield Misfit(f"{where}.decoded", complaint)


def _misfits_in_schedule(where: str, schedule: Schedule) -> Iterator[Misfit]:
    if bool(schedule.knots) == bool(schedule.learning_rate):
        yield Misfit(where, "say either a learning_rate or its knots")


def _misfits_in_threat(where: str, threat: ThreatConfig) -> Iterator[Misfit]:
    if (threat.edit is None) == (threat.attack is None):
        yield Misfit(where, "say either an edit with its steps, or an attack")
    if threat.edit is not None and threat.steps is None:
        yield Misfit(f"{where}.steps", "the key 'steps' is missing")
    if threat.family and not can_vary(threat):
        complaint = "its edit has no epsilon and step_size to be varied"
        yield Misfit(f"{where}.family", complaint)
    if threat.attack is not None:
        complaint = "only an edit takes this; see the attack's own settings"
        for key in sorted(threat.model_fields_set - {"title", "attack", "images"}):
            yield Misfit(f"{where}.{key}", complaint)


def _misfits_in_defense(
    where: str, defense: Defense, defenses: Mapping[str, Defense]
) -> Iterator[Misfit]:
    if defense.weights_of is None:
        return
    trained = defenses[defense.weights_of]
    settings, of_trained = (
        d.model_dump(exclude=NOT_TRAINED) for d in (defense, trained)
    )
    if settings != of_trained:
        yield Misfit(
            where,
            f"a defense with the weights of '{defense.weights_of}' is trained as that "
            "one is; say nothing but its title and its inference",
        )


def _misfits_in_pages(
    where: str, paper: Paper, parts: Mapping[str, Part]
) -> Iterator[Misfit]:
    for page, part in parts.items():
        if page not in paper.pages:
            near = did_you_mean(page, paper.pages)
            yield Misfit(where, f"there is no table or figure '{page}'{near}")
        rows = paper.figures[page].panels if page in paper.figures else []
        panels = [panel for row in rows for panel in row.spread()]
        if panels and not any(map(part.shows, panels)):
            yield Misfit(f"{where}.{page}", "this leaves no panel of the figure")
