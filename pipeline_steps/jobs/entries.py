"""Resolves names in the config into plain settings for specs."""

from collections.abc import Mapping
from typing import Any

from pipeline_steps.config.datasets import GAN
from pipeline_steps.config.schema import Config
from pipeline_steps.core.amounts import Relative
from pipeline_steps.core.digest import factory_digest
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import FOLDERS, did_you_mean
from pipeline_steps.core.settings import Entry, Name, wanted
from pipeline_steps.datasets.spec import DatasetSpec
from pipeline_steps.generators.spec import GanTraining
from pipeline_steps.jobs.names import seeded
from pipeline_steps.papers.spec import BEST
from pipeline_steps.threats.spec import ThreatSpec

# Keys that only a threat other than plain ascent has in its spec.
OPTIONS = {"momentum", "restarts", "samples", "stop"}


class Entries:
    """The entries of a config, resolved for the data set that they are used on."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def dataset(self, name: str) -> DatasetSpec:
        config = get(self.config.datasets, "dataset", name)
        made = config.projected
        return DatasetSpec(
            name=name,
            classes=config.classes,
            size=config.size,
            channels=config.channels,
            projected=made and f"{made.dataset}/{made.generator}/{made.test}",
        )

    def generator(self, name: str, dataset: str) -> Entry:
        if name == GAN:
            config = self.config.datasets[dataset]
            own = config.projected.generator if config.projected else config.gan
            if own is None:
                raise PipelineError(
                    f"an entry uses the `{GAN}` of the data set {dataset}, and "
                    f"workflow/config/datasets.yaml names none; add it there"
                )
            name = own
        config = get(self.config.generators, "generator", name)
        return {"name": name, **self.resolved(config.model, dataset), **config.use}

    def is_approximate(self, generator: str) -> bool:
        """Whether latents of images must be searched for, because there is no `encode`."""
        return isinstance(self.config.generators[generator].training, GanTraining)

    def home(self, dataset: str, generator: str) -> str:
        """The data set that a generator learns from: of one on a manifold its flow learns
        (IJSAT A.1), but the GAN that makes the manifold from the natural images."""
        projected = self.config.datasets[dataset].projected
        if projected and self.is_approximate(generator):
            return projected.dataset
        return dataset

    def features(self, name: str | None, dataset: str) -> Entry | None:
        """The network of published weights, or a defense of the pipeline's own."""
        if name is None:
            return None
        if name in self.config.datasets:
            return {"published": name}
        return {"defense": name, "network": self.trained_network(name, dataset)}

    def threat(self, name: str, dataset: str) -> ThreatSpec:
        config = get(self.config.threats, "threat", name)
        get(self.config.datasets, "dataset", dataset)
        limits = self.config.scale.limits.model_dump(exclude_none=True)
        if config.attack:
            attack = _limited(config.attack, limits)
            return ThreatSpec(**self.resolved(attack, dataset))
        options = config.model_dump(include=OPTIONS, exclude_defaults=True)
        ascent = {
            "edit": self.resolved(config.edit, dataset),
            "objective": self.resolved(config.objective, dataset),
            "steps": min(config.steps, limits.get("steps", config.steps)),
        }
        return ThreatSpec(**ascent, **options)

    def trained_network(self, defense: str, dataset: str) -> Entry:
        """What is trained, with its companion network."""
        own = self.config.own.models.get(defense)
        if own:
            code = factory_digest(own.factory)
            return {"factory": own.factory, "arguments": own.arguments, "code": code}
        config = self.config.defenses.defenses[defense]
        network = self._at_scale(config.architecture, dataset)
        if config.companion is None:
            return network
        # It sees logits, and separates natural from attacked besides the classes.
        classes = self.config.datasets[dataset].classes
        sizes = {"channels": classes, "classes": classes + 1}
        companion = {**self._at_scale(config.companion, dataset), **sizes}
        return {**network, "companion": companion}

    def deployed_network(self, defense: str, dataset: str) -> Entry:
        """The same with what it does to images before it answers."""
        network = self.trained_network(defense, dataset)
        config = self.config.own.models.get(
            defense
        ) or self.config.defenses.defenses.get(defense)
        if config is None or config.inference is None:
            return network
        return {**network, "inference": self.resolved(config.inference, dataset)}

    def _at_scale(self, entry: Entry, dataset: str) -> Entry:
        smaller = self.config.scale.stand_ins.architectures
        return self.resolved(smaller.get(entry["architecture"], entry), dataset)

    def trained_as(self, label: str) -> str:
        """The defense whose training produced these weights; usually itself."""
        name, at, seed = label.removesuffix(BEST).partition("@")
        config = self.config.defenses.defenses.get(name)
        return f"{(config and config.weights_of) or name}{at}{seed}"

    def on_another(self, threat: ThreatSpec, label: str) -> ThreatSpec:
        """A transferred attack for the defense of this label, which it is never crafted on.

        `crafted_on: jat@1` means another training of JAT's; against that one itself it is
        crafted on the first.
        """
        settings = threat.model_dump()
        source = settings.get("crafted_on")
        if not source or source["defense"] != label or "@" not in label:
            return threat
        first = self.trained_as(label).partition("@")[0]
        return ThreatSpec(**{**settings, "crafted_on": {**source, "defense": first}})

    def known_defense(self, label: str) -> str:
        """The name in a label, once the config has one of that name."""
        name, _ = seeded(label)
        known = {**self.config.defenses.defenses, **self.config.own.models}
        get(known, "defense", name)
        return name

    def resolved(self, value: Any, dataset: str) -> Any:
        """Plain settings: budgets as numbers, names as what they name."""
        config = self.config.datasets[dataset]
        if isinstance(value, Relative):
            return value.resolve(config.budgets.model_dump())
        if isinstance(value, Name):
            return self._named(value, dataset)
        if isinstance(value, Mapping):
            plain = {key: self.resolved(item, dataset) for key, item in value.items()}
            for kind in plain.keys() & FOLDERS.keys():
                if isinstance(plain[kind], str):
                    supplied = wanted(kind, plain[kind])
                    plain |= {name: getattr(config, name) for name in supplied}
            return plain
        if isinstance(value, list):
            return [self.resolved(item, dataset) for item in value]
        return value

    def _named(self, name: Name, dataset: str) -> Entry:
        if name.kind == "generator":
            return self.generator(name, dataset)
        if name.kind == "defense":
            other = self.deployed_network(self.known_defense(name), dataset)
            return {"defense": str(name), "network": other}
        return self.threat(name, dataset).model_dump(mode="json")


def _limited(attack: Any, limits: Mapping[str, int]) -> Any:
    """An attack's settings, and those of its parts, with no count above its limit: for
    scales that only check that attacks run."""
    if isinstance(attack, list):
        return [_limited(part, limits) for part in attack]
    if not isinstance(attack, Mapping):
        return attack
    counts = {key: min(attack[key], limits[key]) for key in limits if attack.get(key)}
    return {key: _limited(value, limits) for key, value in attack.items()} | counts


def get(known: Mapping[str, Any], kind: str, name: str) -> Any:
    """An entry of the config, or a sentence that names the nearest."""
    if name not in known:
        raise PipelineError(f"there is no {kind} '{name}'{did_you_mean(name, known)}")
    return known[name]
