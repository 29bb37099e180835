"""Loads a job's defense, and its threat with everything that it needs."""

from typing import TypeVar

import torch
from torch import nn

from pipeline_steps.core.step import Job
from pipeline_steps.defenses.load import load_defenses, load_model, with_weights
from pipeline_steps.defenses.snapshots import best_of
from pipeline_steps.evaluation.spec import AttackSpec
from pipeline_steps.generators.generator import load_generators
from pipeline_steps.manifolds.manifold_set import Projected, load_projected
from pipeline_steps.threats.catalogue import build_threat
from pipeline_steps.threats.threat import Threat

Spec = TypeVar("Spec", bound=AttackSpec)


def defense_of(job: Job[Spec]) -> nn.Module:
    """The defense that is judged, with its last or its best weights."""
    spec = job.spec
    if spec.weights == "last":
        return load_model(spec.architecture, job.verified("weights", "weights"))
    path = job.verified("weights", "snapshots")
    return with_weights(spec.architecture, best_of(path), path)


def threat_of(
    job: Job[Spec], device: torch.device, images: int
) -> tuple[Threat, Projected]:
    """The threat, and latents of this many images for generators that can't encode."""
    named = job.spec.threat.model_dump()
    generators = load_generators(
        named, job.all_verified("generators", "weights"), device
    )
    latents = job.all_verified("latents", "latents")
    sources = load_defenses(named, job.all_verified("sources", "weights"), device)
    threat = build_threat(job.spec.threat, generators, sources)
    return threat, load_projected(generators, latents, images)
