"""Cycles in the config: things that would have to exist before they are made."""

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from pipeline_steps.config.datasets import GAN
from pipeline_steps.config.schema import Config
from pipeline_steps.config.yaml_files import Complaint, Place
from pipeline_steps.core.settings import Name
from pipeline_steps.generators.spec import GanTraining


class Thing(NamedTuple):
    """Something that jobs make: images, a projection, or trained weights."""

    kind: str
    name: str
    dataset: str = ""

    def __str__(self) -> str:
        return {
            "images": f"the images of {self.name}",
            "projection": f"the projection of {self.dataset} onto {self.name}",
            "generator": f"{self.name} trained on {self.dataset}",
            "defense": f"{self.name} trained on {self.dataset}",
            "threat": f"the threat {self.name}",
        }[self.kind]


class Need(NamedTuple):
    """Something that a thing is made from, and where the config says so."""

    thing: Thing
    place: Place | None = None


def cycles(config: Config) -> Iterator[Complaint]:
    """The first cycle, if there is one."""
    needs, done = _Needs(config), set[Thing]()

    def search(path: list[Need]) -> list[Need]:
        thing = path[-1].thing
        before = [need.thing for need in path[:-1]]
        if thing in before:
            return path[before.index(thing) :]
        if thing in done:
            return []
        for need in needs.of(thing):
            if circle := search([*path, need]):
                return circle
        done.add(thing)
        return []

    for start in needs.all():
        if circle := search([Need(start)]):
            yield _complaint(circle)
            return


def _complaint(circle: list[Need]) -> Complaint:
    places = [need.place for need in circle[1:] if need.place]
    # Features are more often chosen badly than data sets and recipes.
    place = min(places, key=lambda place: place.file != "generators")
    things = ", ".join(str(need.thing) for need in circle)
    return Complaint(
        place, f"each of these is made from the next, in a circle: {things}"
    )


class _Needs:
    """What each thing needs among the things that other config entries make."""

    def __init__(self, config: Config) -> None:
        self.config = config

    @cached_property
    def approximate(self) -> list[str]:
        """The generators onto which images are projected, for they have no encoder."""
        known = self.config.generators.items()
        return [name for name, g in known if isinstance(g.training, GanTraining)]

    @property
    def replaced(self) -> Collection[str]:
        """The data sets that stand-ins replace: they are never projected."""
        return self.config.scale.stand_ins.datasets

    def all(self) -> Iterator[Thing]:
        """Every place where a cycle may begin."""
        yield from (Thing("threat", threat) for threat in self.config.threats)
        for dataset in self.config.datasets:
            yield Thing("images", dataset)
            if dataset not in self.replaced:
                yield from (self._projection(g, dataset) for g in self.approximate)

    def of(self, thing: Thing) -> Iterator[Need]:
        match thing.kind:
            case "images":
                yield from self._of_images(thing.name)
            case "projection":
                yield from self._of_projection(thing)
            case "generator":
                yield Need(Thing("images", thing.dataset))
            case "defense":
                yield from self._of_defense(thing)
            case "threat":
                place = Place("threats", (thing.name,))
                for name in _names(self._settings(thing.name)):
                    if name.kind == "threat":
                        yield Need(Thing("threat", str(name)), place)

    def _of_images(self, dataset: str) -> Iterator[Need]:
        made = self.config.datasets[dataset].projected
        if made:
            place = Place("datasets", (dataset, "projected"))
            yield Need(Thing("images", made.dataset), place)
        if made and made.dataset not in self.replaced:
            yield Need(Thing("projection", made.generator, made.dataset), place)

    def _of_projection(self, thing: Thing) -> Iterator[Need]:
        yield Need(Thing("generator", thing.name, thing.dataset))
        features = self.config.generators[thing.name].projection.features
        if thing.name in self.approximate and features not in self.config.datasets:
            place = Place("generators", (thing.name, "projection", "features"))
            yield Need(Thing("defense", features, thing.dataset), place)

    def _of_defense(self, thing: Thing) -> Iterator[Need]:
        yield Need(Thing("images", thing.dataset))
        defense = self.config.defenses.defenses.get(thing.name)
        if defense is None:  # a user's own model exists already
            return
        place = Place("defenses", ("defenses", thing.name, "recipe"))
        watched = defense.monitor and defense.monitor.threat
        for generator in sorted(set(self._generators([defense.recipe, watched]))):
            own = self._gan(thing.dataset) if generator == GAN else generator
            if own in self.approximate:
                yield Need(self._projection(own, thing.dataset), place)
            elif own:
                yield Need(Thing("generator", own, thing.dataset), place)

    def _gan(self, dataset: str) -> str | None:
        config = self.config.datasets[dataset]
        return config.projected.generator if config.projected else config.gan

    def _projection(self, generator: str, dataset: str) -> Thing:
        """For a data set on a manifold, its natural images are projected."""
        made = self.config.datasets[dataset].projected
        return Thing("projection", generator, made.dataset if made else dataset)

    def _generators(self, settings: Any, seen: tuple[str, ...] = ()) -> Iterator[str]:
        """The generators behind all names in settings."""
        for name in _names(settings):
            if name.kind == "generator":
                yield str(name)
            elif name.kind == "threat" and name not in seen:
                yield from self._generators(self._settings(name), (*seen, name))

    def _settings(self, threat: str) -> Any:
        config = self.config.threats[threat]
        return [config.edit, config.objective, config.attack]


def _names(settings: Any) -> Iterator[Name]:
    if isinstance(settings, Name):
        yield settings
    elif isinstance(settings, Mapping):
        settings = list(settings.values())
    for item in settings if isinstance(settings, list) else ():
        yield from _names(item)
