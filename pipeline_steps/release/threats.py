"""The papers' threats by name, for any network in any Python program.

    >>> import torch
    >>> from pipeline_steps.release.threats import load_threat
    >>> network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 10))
    >>> images, labels = torch.rand(4, 3, 32, 32), torch.tensor([3, 1, 4, 1])
    >>> pgd20 = load_threat("pgd20")  # with the budgets of CIFAR-10
    >>> attacked = pgd20(network, images, labels)
    >>> bool((attacked - images).abs().max() <= 8 / 255 + 1e-6)
    True

They are those of workflow/config/threats.yaml, so a number that is measured with one can
stand beside a table's. A threat on a manifold takes the generator, one that is crafted
elsewhere the network on which it is:

    jsa50 = load_threat("jsa50", generator=load_released_generator("glow", "cifar10"))
    moved = load_threat("pgd20-from-at", crafted_on=another_network)
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from pipeline_steps.config.load import load_config
from pipeline_steps.config.schema import Config
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import did_you_mean
from pipeline_steps.core.rng import image_rng
from pipeline_steps.datasets.loader import check_range
from pipeline_steps.defenses.spec import defenses_in
from pipeline_steps.generators.spec import generators_in
from pipeline_steps.jobs.specs import Specs
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.catalogue import Threat, build_threat
from pipeline_steps.threats.frozen import frozen


@dataclass(frozen=True)
class LoadedThreat:
    """Edits images so that a network errs on them; the network stays as it was."""

    name: str
    threat: Threat

    def __call__(
        self,
        network: nn.Module,
        images: Tensor,
        labels: Tensor,
        seed: int = 0,
        first: int = 0,
    ) -> Tensor:
        """The edited images.

        The network answers with logits to images in [0, 1]; if it wants them normalised, it
        does that itself. Each image draws its own random numbers, by its number in the data
        set: the first of this batch is `first`.
        """
        check_range(images, "the images")
        if len(labels) != len(images):
            raise PipelineError(
                f"{len(images)} images came with {len(labels)} labels; give one for each"
            )
        rows = range(first, first + len(images))
        draw = image_rng(seed, rows, "attack", device=images.device)
        with frozen(network):
            return self.threat(network, Batch(images, labels), draw)


def load_threat(
    name: str,
    dataset: str = "cifar10",
    generator: Any = None,
    crafted_on: nn.Module | None = None,
    budgets: dict[str, float] | None = None,
    scale: str = "paper",
) -> LoadedThreat:
    """A threat as the pipeline runs it, with the budgets of a data set or with others."""
    config = load_config(scale)
    if budgets and dataset in config.datasets:
        config = _with_budgets(config, dataset, budgets)
    spec = Specs(config).threat(name, dataset)
    settings = spec.model_dump()
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
    threat = build_threat(
        spec,
        dict.fromkeys(generators, generator),
        dict.fromkeys(networks, crafted_on) if crafted_on else {},
    )
    return LoadedThreat(name, threat)


def _with_budgets(config: Config, dataset: str, budgets: dict[str, float]) -> Config:
    """The same, but for how far threats may go on one data set."""
    known = config.datasets[dataset]
    for name in budgets.keys() - known.budgets.model_dump().keys():
        raise PipelineError(
            f"there is no budget '{name}'{did_you_mean(name, known.budgets.model_dump())}"
        )
    wider = known.budgets.model_copy(update=budgets)
    changed = known.model_copy(update={"budgets": wider})
    return config.model_copy(update={"datasets": {**config.datasets, dataset: changed}})
