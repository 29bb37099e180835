"""The networks behind a defense's name: what is trained, and what answers."""

from collections.abc import Callable

from pipeline_steps.config.schema import Config
from pipeline_steps.core.digest import factory_digest
from pipeline_steps.core.settings import Entry
from pipeline_steps.jobs.names import BEST
from pipeline_steps.threats.spec import ThreatSpec

Resolve = Callable[[Entry, str], Entry]
"""Plain settings of an entry for a data set."""


def network(config: Config, defense: str, dataset: str, resolve: Resolve) -> Entry:
    """What is trained, with the network that is trained along."""

    def at_scale(entry: Entry) -> Entry:
        smaller = config.scale.stand_ins.architectures
        return resolve(smaller.get(entry["architecture"], entry), dataset)

    own = config.own.models.get(defense)
    if own:
        code = factory_digest(own.factory)
        return {"factory": own.factory, "arguments": own.arguments, "code": code}
    told = config.defenses.defenses[defense]
    if told.companion is None:
        return at_scale(told.architecture)
    # It sees logits, and tells natural from attacked besides the classes.
    classes = config.datasets[dataset].classes
    sizes = {"channels": classes, "classes": classes + 1}
    companion = {**at_scale(told.companion), **sizes}
    return {**at_scale(told.architecture), "companion": companion}


def answering(config: Config, defense: str, dataset: str, resolve: Resolve) -> Entry:
    """The same with what it does to images before it answers."""
    trained = network(config, defense, dataset, resolve)
    told = config.own.models.get(defense) or config.defenses.defenses.get(defense)
    if told is None or told.inference is None:
        return trained
    return {**trained, "inference": resolve(told.inference, dataset)}


def trained(config: Config, label: str) -> str:
    """The defense whose training another one's weights are of; mostly itself."""
    name, at, seed = label.removesuffix(BEST).partition("@")
    told = config.defenses.defenses.get(name)
    return f"{(told and told.weights_of) or name}{at}{seed}"


def on_another(config: Config, threat: ThreatSpec, label: str) -> ThreatSpec:
    """A transferred attack for the defense of this label, which it is never crafted on.

    `crafted_on: jat@1` means another training of JAT's; against that one itself it is
    crafted on the first.
    """
    told = threat.model_dump()
    source = told.get("crafted_on")
    if not source or source["defense"] != label or "@" not in label:
        return threat
    first = trained(config, label).partition("@")[0]
    return ThreatSpec(**{**told, "crafted_on": {**source, "defense": first}})


def judged(config: Config) -> set[str]:
    """All that a row may name: defenses, their best weights, and models of your own."""
    trained = config.defenses.defenses
    best = {f"{name}{BEST}" for name, told in trained.items() if told.monitor}
    return {*trained, *best, *config.own.models}
