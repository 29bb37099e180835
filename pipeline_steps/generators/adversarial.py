"""What a GAN's two networks lower, each against the other."""

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from pipeline_steps.core.rng import Rng
from pipeline_steps.generators.generator import ApproximateGenerator
from pipeline_steps.generators.resolution import Growth
from pipeline_steps.generators.spec import GanTraining


def discriminator_loss(
    discriminator: nn.Module,
    real: Tensor,
    fake: Tensor,
    growth: Growth,
    training: GanTraining,
) -> Tensor:
    """How badly real and generated images are told apart."""
    if training.penalty:
        # A copy, for what counts operations can't follow a gradient to its very start.
        real = real.requires_grad_().clone()
    seen, made = discriminator(real, growth), discriminator(fake, growth)
    if training.loss == "hinge":
        loss = (1 - seen).relu().mean() + (1 + made).relu().mean()
    else:
        loss = softplus(-seen).mean() + softplus(made).mean()
    if training.penalty:
        # R1 (Mescheder et al., 2018): a flat judgement around real images.
        slope = torch.autograd.grad(seen.sum(), real, create_graph=True)[0]
        loss = loss + training.penalty / 2 * slope.square().sum((1, 2, 3)).mean()
    return loss


def generator_loss(
    generator: ApproximateGenerator,
    discriminator: nn.Module,
    count: int,
    rng: Rng,
    growth: Growth,
    training: GanTraining,
) -> Tensor:
    """How unreal generated images look to the discriminator."""
    images = generator.imagine(count, rng, growth, training.mixing)
    made: Tensor = discriminator(images, growth)
    return -made.mean() if training.loss == "hinge" else softplus(-made).mean()
