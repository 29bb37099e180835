"""The optimal transport between a batch's clean and edited logits (Feature Scattering)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from pipeline_steps.core.settings import Count, Positive
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.objective import Comparing, clean_logits
from pipeline_steps.threats.victim import Victim

# As in Feature Scattering's code: the iteration ends once a pass changes the rows'
# potentials by less than SETTLED in total. FLOOR is added to each sum, and dominates
# where an image is near no other.
SETTLED, FLOOR = 0.1, 1e-6


@dataclass(frozen=True)
class OptimalTransport(Comparing):
    """Each image's part of the cost of moving the edited logits onto the clean ones.

    This is the only objective that couples the images of a batch; it is for training.
    """

    regularisation: Positive = 0.01
    iterations: Count = 100
    plan: Literal["released", "fixed"] = "released"
    """`released` stops Sinkhorn's iteration after a few passes and differentiates it, as
    Feature Scattering's code does; `fixed` makes all passes and holds their plan fixed."""

    def __call__(self, logits: Tensor, batch: Batch, victim: Victim) -> Tensor:
        clean = functional.normalize(clean_logits(batch), dim=1)
        cost = (1 - functional.normalize(logits, dim=1) @ clean.T).clamp_min(0)
        if self.plan == "released":
            plan = stopped_transport(cost.T, self.regularisation, self.iterations).T
        else:
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


def stopped_transport(cost: Tensor, regularisation: float, iterations: int) -> Tensor:
    """The plan that Feature Scattering's code stops at, with the gradient of its passes.

    After so few of them, the rows need not add up to their shares.
    """
    if not cost.numel():
        return cost
    log_share = -torch.tensor(float(len(cost))).log().to(cost)
    floor = torch.tensor(FLOOR).log().to(cost)
    of_rows, of_columns = torch.zeros_like(cost[:, 0]), torch.zeros_like(cost[0])

    def exponents() -> Tensor:
        return (of_rows[:, None] + of_columns - cost) / regularisation

    def missing(dim: int) -> Tensor:
        held = exponents().logsumexp(dim=dim).logaddexp(floor)
        return regularisation * (log_share - held)

    for _ in range(iterations):
        added = missing(dim=1)
        of_rows = of_rows + added
        of_columns = of_columns + missing(dim=0)
        if added.detach().abs().sum() < SETTLED:
            break
    return exponents().exp()
