"""The papers' threats by name, for any network in any Python program.

    >>> import torch
    >>> from robust_papers import load_threat
    >>> network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 10))
    >>> images, labels = torch.rand(4, 3, 32, 32), torch.tensor([3, 1, 4, 1])
    >>> pgd20 = load_threat("pgd20")  # with the budgets of CIFAR-10
    >>> attacked = pgd20(network, images, labels)
    >>> bool((attacked - images).abs().max() <= 8 / 255 + 1e-6)
    True

They are those of workflow/config/threats.yaml, so a number that is measured with one can
stand beside a table's. A threat on a manifold takes the generator, one that is crafted
elsewhere the network on which it is:

    jsa50 = load_threat("jsa50", generator=load_generator("glow", "cifar10"))
    moved = load_threat("pgd20-from-at", crafted_on=another_network)
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, overload

import torch
from torch import Tensor, nn

from pipeline_steps.config.load import load_config
from pipeline_steps.config.schema import Config
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import did_you_mean, mappings, parameters
from pipeline_steps.core.rng import image_rng
from pipeline_steps.defenses.spec import defenses_in
from pipeline_steps.generators.generator import Generator
from pipeline_steps.generators.spec import generators_in
from pipeline_steps.jobs.specs import Specs
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.catalogue import Threat, build_threat
from pipeline_steps.threats.frozen import frozen
from pipeline_steps.threats.spec import ThreatSpec
from robust_papers.inputs import Model, as_network, checked, explained

# An attack on one network, as torchattacks' users know it: `attack(images, labels)`.
BoundAttack = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class LoadedThreat:
    """An attack: it edits images so that a network gets them wrong.

    `threat(network, images, labels)` gives the edited images, and `threat(network)` an
    attack on that network, to be called with images and labels.
    """

    name: str
    title: str
    """What the attack is, and where a paper describes it."""
    spec: ThreatSpec
    """All of its settings."""
    threat: Threat

    @overload
    def __call__(self, network: Model) -> BoundAttack: ...

    @overload
    def __call__(
        self,
        network: Model,
        images: Tensor,
        labels: Tensor,
        seed: int = ...,
        first: int = ...,
        latents: Mapping[str, Tensor] | None = ...,
    ) -> Tensor: ...

    def __call__(
        self,
        network: Model,
        images: Tensor | None = None,
        labels: Tensor | None = None,
        seed: int = 0,
        first: int = 0,
        latents: Mapping[str, Tensor] | None = None,
    ) -> Tensor | BoundAttack:
        """The edited images; without images, an attack on the network.

        The network returns logits for images in [0, 1]; it must normalise them itself if
        needed, and is left as it was. Random numbers belong to an image's number in the
        data set; `first` is that of the first image in this batch. A generator that can't
        encode, like a GAN, needs the images' `latents`, by the generator's name.
        """
        if images is None:
            return lambda images, labels: self(network, images, labels)
        if labels is None:
            raise PipelineError(
                "give labels with the images: threat(model, images, labels)"
            )
        # Also where the caller has switched gradients off.
        with torch.inference_mode(False), torch.enable_grad(), explained():
            model = as_network(network)
            images, labels = checked(model, images, labels)
            rows = range(first, first + len(images))
            draw = image_rng(seed, rows, "attack", device=images.device)
            with frozen(model):
                batch = Batch(images, labels, projected=latents or {})
                return self.threat(model, batch, draw).detach()


def load_threat(
    name: str,
    dataset: str = "cifar10",
    *,
    steps: int | None = None,
    epsilon: float | None = None,
    step_size: float | None = None,
    budgets: Mapping[str, float] | None = None,
    generator: Generator | None = None,
    crafted_on: nn.Module | None = None,
    scale: str = "paper",
) -> LoadedThreat:
    """A threat as the pipeline runs it, with the budgets of a data set or with yours.

    `budgets` replaces the data set's (`{"image": 4 / 255, "latent": 0.02}`); a threat's
    settings are multiples of them. `epsilon` sets how far a single edit may go; the step
    size then changes in proportion, unless you set that, too.
    """
    config = load_config(scale)
    if budgets is not None:
        config = _with_budgets(config, dataset, budgets)
    settings = Specs(config).threat(name, dataset).model_dump()
    for key, value in (
        ("epsilon", epsilon),
        ("step_size", step_size),
        ("steps", steps),
    ):
        if value is not None:
            _replace(settings, name, key, value)
    generators, networks = generators_in(settings), defenses_in(settings)
    if generators and generator is None:
        raise PipelineError(
            f"{name} edits the latents of {' and '.join(generators)}; give it as "
            f'load_threat("{name}", generator=…)'
        )
    if networks and crafted_on is None:
        raise PipelineError(
            f"{name} is crafted on {' and '.join(networks)}; give that network as "
            f'load_threat("{name}", crafted_on=…)'
        )
    spec = ThreatSpec(**settings)
    threat = build_threat(
        spec,
        dict.fromkeys(generators, generator) if generator is not None else {},
        dict.fromkeys(networks, crafted_on) if crafted_on is not None else {},
    )
    return LoadedThreat(name, config.threats[name].title, spec, threat)


def list_threats(scale: str = "paper") -> dict[str, str]:
    """The names of all threats, with their titles.

    >>> list_threats()["pgd40"]
    'PGD-40 (ATLD)'
    """
    return {name: threat.title for name, threat in load_config(scale).threats.items()}


def _with_budgets(config: Config, dataset: str, budgets: Mapping[str, float]) -> Config:
    """The same config with other budgets for one data set."""
    if dataset not in config.datasets:
        near = did_you_mean(dataset, config.datasets)
        raise PipelineError(f"there is no dataset '{dataset}'{near}")
    known = config.datasets[dataset]
    names = known.budgets.model_dump()
    if not isinstance(budgets, Mapping):
        raise PipelineError(
            f"budgets={budgets!r} does not say which budget; write "
            f'budgets={{"image": {budgets!r}}}, or epsilon={budgets!r} for one threat alone'
        )
    for name in budgets.keys() - names.keys():
        raise PipelineError(f"there is no budget '{name}'{did_you_mean(name, names)}")
    for name, amount in budgets.items():
        _check_amount(f"the budget '{name}'", amount)
    wider = known.budgets.model_copy(update=dict(budgets))
    changed = known.model_copy(update={"budgets": wider})
    return config.model_copy(update={"datasets": {**config.datasets, dataset: changed}})


def _check_amount(what: str, amount: object) -> None:
    if not isinstance(amount, int | float) or not 0 <= amount <= 1:
        raise PipelineError(
            f"{what} is {amount!r}, but images are in [0, 1]: write 8 / 255 for 8 on the "
            "scale of 0 to 255"
        )


def _replace(settings: dict[str, Any], name: str, key: str, value: float) -> None:
    """Another value of a setting that stands once in a threat's settings."""
    if key == "steps" and (type(value) is not int or value < 0):
        raise PipelineError(f"steps={value!r} is not a number of steps")
    entries = list(_having(settings, key))
    if len(entries) > 1:
        how = (
            'say how far each may go with budgets={"image": …, "latent": …}'
            if key != "steps"
            else "change them in workflow/config/threats.yaml"
        )
        raise PipelineError(
            f"{name} has {len(entries)} parts, each with its own {key}; {how}"
        )
    if not entries:
        raise PipelineError(f"{name} has no {key} to be changed")
    (entry,) = entries
    if key != "steps" and entry.get("norm", "linf") == "linf":
        _check_amount(key, value)
    if key == "epsilon" and entry.get("step_size") and entry["epsilon"]:
        entry["step_size"] *= value / entry["epsilon"]
    entry[key] = value


def _having(settings: dict[str, Any], key: str) -> Iterator[dict[str, Any]]:
    """The parts of a threat that take a setting, written down or left at its default."""
    for entry in mappings(settings):
        takes = any(
            parameter.name == key
            for kind in ("attack", "perturbation")
            if isinstance(entry.get(kind), str)
            for parameter in parameters(kind, entry[kind])
        )
        if key in entry or takes:
            yield entry
