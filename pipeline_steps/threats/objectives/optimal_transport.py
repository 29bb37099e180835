"""The optimal transport between a batch's clean and edited logits (Feature Scattering)."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pipeline_steps.core.settings import Count, Positive
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.objective import Comparing, clean_logits
from pipeline_steps.threats.victim import Victim


@dataclass(frozen=True)
class OptimalTransport(Comparing):
    """Each image's part of the cost of moving the edited logits onto the clean ones.

    The one objective that ties the images of a batch together: it is for training.
    """

    regularisation: Positive = 0.01
    iterations: Count = 100

    def __call__(self, logits: Tensor, batch: Batch, victim: Victim) -> Tensor:
        clean = functional.normalize(clean_logits(batch), dim=1)
        cost = (1 - functional.normalize(logits, dim=1) @ clean.T).clamp_min(0)
        plan = transport(cost.detach(), self.regularisation, self.iterations)
        return (plan * cost).sum(dim=1)


def transport(cost: Tensor, regularisation: float, iterations: int) -> Tensor:
    """The plan between uniform distributions, by Sinkhorn's iteration in logarithms."""
    if not cost.numel():
        return cost
    kernel = -cost / regularisation
    log_share = -torch.tensor(float(len(cost))).log().to(cost)
    over_columns = torch.zeros_like(cost[0])
    for _ in range(iterations):
        over_rows = log_share - (kernel + over_columns).logsumexp(dim=1)
        over_columns = log_share - (kernel + over_rows[:, None]).logsumexp(dim=0)
    return (kernel + over_rows[:, None] + over_columns).exp()
