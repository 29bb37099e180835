"""A job's threat, with the generators and the other defenses that it works with."""

from typing import TypeVar

import torch

from pipeline_steps.core.step import Job
from pipeline_steps.defenses.load import load_defenses
from pipeline_steps.evaluation.spec import AttackSpec
from pipeline_steps.generators.generator import load_generators
from pipeline_steps.manifolds.manifold_set import Projected, load_projected
from pipeline_steps.threats.catalogue import Threat, build_threat

Spec = TypeVar("Spec", bound=AttackSpec)


def threat_of(
    job: Job[Spec], device: torch.device, images: int
) -> tuple[Threat, Projected]:
    """The threat, and latents of so many images for generators that can't encode."""
    named = job.spec.threat.model_dump()
    generators = load_generators(
        named, job.all_verified("generators", "weights"), device
    )
    latents = job.all_verified("latents", "latents")
    sources = load_defenses(named, job.all_verified("sources", "weights"), device)
    threat = build_threat(job.spec.threat, generators, sources)
    return threat, load_projected(generators, latents, images)
