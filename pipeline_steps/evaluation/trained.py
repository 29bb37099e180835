"""A job's defense, and its threat with all that it works with."""

from typing import TypeVar

import torch
from torch import nn

from pipeline_steps.core.step import Job
from pipeline_steps.defenses.load import load_defenses, load_model, with_weights
from pipeline_steps.defenses.snapshots import best_of
from pipeline_steps.evaluation.spec import AttackSpec
from pipeline_steps.generators.generator import load_generators
from pipeline_steps.threats.catalogue import Threat, build_threat

Spec = TypeVar("Spec", bound=AttackSpec)


def defense_of(job: Job[Spec]) -> nn.Module:
    spec = job.spec
    if spec.weights == "last":
        return load_model(spec.architecture, job.verified("weights", "weights"))
    path = job.verified("weights", "snapshots")
    return with_weights(spec.architecture, best_of(path), path)


def threat_of(job: Job[Spec], device: torch.device) -> Threat:
    named = job.spec.threat.model_dump()
    generators = job.all_verified("generators", "weights")
    sources = job.all_verified("sources", "weights")
    return build_threat(
        job.spec.threat,
        load_generators(named, generators, device),
        load_defenses(named, sources, device),
    )
