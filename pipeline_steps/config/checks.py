"""Checks across the config's files: that names exist, and that parts fit together."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from pipeline_steps.config import user_models
from pipeline_steps.config.cycles import cycles
from pipeline_steps.config.datasets import GAN, Dataset
from pipeline_steps.config.defenses import NOT_TRAINED, Defense
from pipeline_steps.config.generators import Generator
from pipeline_steps.config.papers import Paper
from pipeline_steps.config.scales import Part, Scale
from pipeline_steps.config.schema import Config
from pipeline_steps.config.threats import ThreatConfig, can_vary
from pipeline_steps.config.yaml_files import Complaint, Place
from pipeline_steps.core.amounts import Relative
from pipeline_steps.core.registry import ROOT, did_you_mean, words
from pipeline_steps.core.settings import Name
from pipeline_steps.defenses.spec import Schedule
from pipeline_steps.generators.spec import GanTraining


class Reference(NamedTuple):
    """A name in one file that another file defines."""

    where: Place
    """Where it is named."""
    kind: str
    """What it is a name of: a `dataset`, a `threat`, ..."""
    name: str


def complaints(config: Config) -> Iterator[Complaint]:
    """What doesn't fit between the files, a sentence each."""
    yield from user_models.complaints(config.own, config.defenses.defenses)
    known = _known(config)
    for where, kind, name in _references(config):
        if name not in known[kind]:
            near = did_you_mean(name, known[kind])
            yield Complaint(where, f"there is no {kind} '{name}'{near}")
    yield from _misfits(config)
    yield from cycles(config)


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
    for kind, named in config.names:
        for name in named:
            yield Reference(Place("names", (kind, name)), kind[:-1], name)
    for name, dataset in config.datasets.items():
        yield from _names_in_dataset(Place("datasets", (name,)), dataset)
    for name, generator in config.generators.items():
        where = Place("generators", (name,))
        yield from _names_in_generator(where, generator, config.datasets)
    for name, threat in config.threats.items():
        yield from _names_in_threat(Place("threats", (name,)), threat)
    for name, defense in config.defenses.defenses.items():
        where = Place("defenses", ("defenses", name))
        yield from _names_in_defense(where, defense)
    file = Place(f"scales/{config.name}")
    yield from _names_in_scale(file, config.scale, config.datasets)
    yield from _names_in_pages(file.at("pages"), config.scale.pages)


def _names_in_dataset(where: Place, dataset: Dataset) -> Iterator[Reference]:
    if dataset.corruptions.published:
        corruptions = where.at("corruptions")
        yield Reference(
            corruptions.at("published"), "dataset", dataset.corruptions.published
        )
    if "frost" in dataset.corruptions.model_fields_set:
        frost = where.at("corruptions", "frost")
        yield Reference(frost, "dataset", dataset.corruptions.frost)
    if dataset.projected:
        projected = where.at("projected")
        yield Reference(projected.at("dataset"), "dataset", dataset.projected.dataset)
        yield Reference(
            projected.at("generator"), "generator", dataset.projected.generator
        )
    if dataset.gan:
        yield Reference(where.at("gan"), "generator", dataset.gan)


def _names_in_generator(
    where: Place, generator: Generator, datasets: Collection[str]
) -> Iterator[Reference]:
    """A GAN's features come from published weights or from a defense."""
    features = generator.projection.features
    if isinstance(generator.training, GanTraining) and features not in datasets:
        yield Reference(where.at("projection", "features"), "defense", features)


def _names_in_threat(where: Place, threat: ThreatConfig) -> Iterator[Reference]:
    parts = {
        "edit": threat.edit,
        "objective": threat.objective,
        "attack": threat.attack,
    }
    for place, name in _names(parts, where):
        # A defense may be one of another seed: `at@1`.
        known = name.partition("@")[0] if name.kind == "defense" else name
        if name != GAN:
            yield Reference(place, name.kind, known)


def _names_in_defense(where: Place, defense: Defense) -> Iterator[Reference]:
    yield Reference(where.at("schedule"), "schedule", defense.schedule)
    watched = {"threat": defense.monitor and defense.monitor.threat}
    for place, name in _names({"recipe": defense.recipe, "monitor": watched}, where):
        if name != GAN:
            yield Reference(place, name.kind, name)


def _names_in_scale(
    file: Place, scale: Scale, datasets: Collection[str]
) -> Iterator[Reference]:
    stand_ins, shards = file.at("stand_ins"), file.at("shards")
    for name, used in scale.stand_ins.datasets.items():
        for dataset in (name, used):
            yield Reference(stand_ins.at("datasets", name), "dataset", dataset)
    keys: list[tuple[Place, str, Collection[str]]] = [
        (
            stand_ins.at("architectures"),
            "architecture",
            scale.stand_ins.architectures,
        ),
        (shards.at("threats"), "threat", scale.shards.threats),
        (shards.at("generators"), "generator", scale.shards.generators),
        (file.at("resources"), "step", scale.resources.keys() - {"default"}),
    ]
    features = scale.evaluation.features
    if features and features not in datasets:
        yield Reference(file.at("evaluation", "features"), "defense", features)
    for place, kind, names in keys:
        for name in names:
            yield Reference(place.at(name), kind, name)


def _names_in_pages(
    where: Place, pages: Mapping[str, Mapping[str, Part]]
) -> Iterator[Reference]:
    for paper, parts in pages.items():
        yield Reference(where.at(paper), "paper", paper)
        for page, part in parts.items():
            inside = where.at(paper, page)
            for name in part.defenses or ():
                yield Reference(inside.at("defenses"), "defense", name)
            for name in part.threats or ():
                yield Reference(inside.at("threats"), "threat", name)


def _names(value: Any, where: Place) -> Iterator[tuple[Place, Name]]:
    """Every name in settings, with its place."""
    if isinstance(value, Name):
        yield where, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _names(item, where.at(key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from _names(item, where.at(i))


def _misfits(config: Config) -> Iterator[Complaint]:
    """All parts that do not fit together."""
    file = Place(f"scales/{config.name}")
    yield from _misfits_in_scale(file, config.scale)
    yield from _misfits_of_files(config, file)
    for name, dataset in config.datasets.items():
        yield from _misfits_in_dataset(Place("datasets", (name,)), dataset)
    for name, generator in config.generators.items():
        where = Place("generators", (name,))
        yield from _misfits_in_generator(where, generator)
    for name, schedule in config.defenses.schedules.items():
        where = Place("defenses", ("schedules", name))
        yield from _misfits_in_schedule(where, schedule)
    for name, threat in config.threats.items():
        yield from _misfits_in_threat(Place("threats", (name,)), threat)
    for name, defense in config.defenses.defenses.items():
        where = Place("defenses", ("defenses", name))
        yield from _misfits_in_defense(where, defense, config.defenses.defenses)
    for name, paper in config.papers.items():
        parts = config.scale.pages.get(name, {})
        yield from _misfits_in_pages(file.at("pages", name), paper, parts)


def _misfits_in_scale(file: Place, scale: Scale) -> Iterator[Complaint]:
    if "default" not in scale.resources:
        yield Complaint(file.at("resources"), "the key 'default' is missing")
    for key in ("seeds", "claim_seeds"):
        seeds = getattr(scale, key)
        for seed in sorted({seed for seed in seeds if seeds.count(seed) > 1}):
            yield Complaint(file.at(key), f"the seed {seed} is given twice")
    if scale.claim_seeds and scale.claim_seeds[0] != scale.seeds[0]:
        yield Complaint(
            file.at("claim_seeds"),
            f"the first is {scale.seeds[0]}, the first of `seeds`: names without a seed "
            "mean that one",
        )


def _misfits_of_files(config: Config, file: Place) -> Iterator[Complaint]:
    """Data sets that are named for files that they don't have."""
    named = [(file.at("evaluation", "features"), config.scale.evaluation.features)]
    for name, generator in config.generators.items():
        place = Place("generators", (name, "projection", "features"))
        if isinstance(generator.training, GanTraining):
            named.append((place, generator.projection.features))
    for place, features in named:
        dataset = config.datasets.get(features or "")
        if dataset and (dataset.source or {}).get("source") != "weights":
            text = f"the data set '{features}' holds images, and no network's weights"
            yield Complaint(place, text)
    for name, dataset in config.datasets.items():
        place = Place("datasets", (name, "corruptions"))
        for key in ("published", "frost"):
            other = config.datasets.get(getattr(dataset.corruptions, key) or "")
            if other and other.projected:
                text = "a data set that is projected has no files of its own to take"
                yield Complaint(place.at(key), text)


def _misfits_in_dataset(where: Place, dataset: Dataset) -> Iterator[Complaint]:
    if (dataset.source is None) == (dataset.projected is None):
        yield Complaint(where, "say either its source, or what it is `projected` from")
    for budget, amount in dataset.budgets:
        if isinstance(amount, Relative):
            yield Complaint(
                where.at("budgets", budget),
                "a budget must be a number or a fraction, not a multiple of a budget",
            )


def _misfits_in_generator(where: Place, generator: Generator) -> Iterator[Complaint]:
    gan = isinstance(generator.training, GanTraining)
    if generator.decoded == "raw" and not gan:
        complaint = "a flow gives images back as they are; `raw` is for a GAN's"
        yield Complaint(where.at("decoded"), complaint)


def _misfits_in_schedule(where: Place, schedule: Schedule) -> Iterator[Complaint]:
    if bool(schedule.knots) == bool(schedule.learning_rate):
        yield Complaint(where, "say either a learning_rate or its knots")


def _misfits_in_threat(where: Place, threat: ThreatConfig) -> Iterator[Complaint]:
    if (threat.edit is None) == (threat.attack is None):
        yield Complaint(where, "say either an edit with its steps, or an attack")
    if threat.edit is not None and threat.steps is None:
        yield Complaint(where.at("steps"), "the key 'steps' is missing")
    if threat.family and not can_vary(threat):
        complaint = "its edit has no epsilon and step_size to be varied"
        yield Complaint(where.at("family"), complaint)
    if threat.attack is not None:
        complaint = "only an edit takes this; see the attack's own settings"
        for key in sorted(threat.model_fields_set - {"title", "attack", "images"}):
            yield Complaint(where.at(key), complaint)


def _misfits_in_defense(
    where: Place, defense: Defense, defenses: Mapping[str, Defense]
) -> Iterator[Complaint]:
    if defense.weights_of is None:
        return
    trained = defenses[defense.weights_of]
    settings, of_trained = (
        d.model_dump(exclude=NOT_TRAINED) for d in (defense, trained)
    )
    if settings != of_trained:
        yield Complaint(
            where,
            f"a defense with the weights of '{defense.weights_of}' shares its "
            "training; give only its title and its inference",
        )


def _misfits_in_pages(
    where: Place, paper: Paper, parts: Mapping[str, Part]
) -> Iterator[Complaint]:
    for page, part in parts.items():
        if page not in paper.pages:
            near = did_you_mean(page, paper.pages)
            yield Complaint(
                where.at(page), f"there is no table or figure '{page}'{near}"
            )
        rows = paper.figures[page].panels if page in paper.figures else []
        panels = [panel for row in rows for panel in row.spread()]
        if panels and not any(map(part.shows, panels)):
            yield Complaint(where.at(page), "this leaves no panel of the figure")
