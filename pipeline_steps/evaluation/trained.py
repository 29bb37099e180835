"""A job's threat, with the generators and the other defenses that it works with."""

from typing import TypeVar

import torch

from pipeline_steps.core.step import Job
from pipeline_steps.defenses.load import load_defenses
from pipeline_steps.evaluation.spec import AttackSpec
from pipeline_steps.generators.generator import load_generators
from pipeline_steps.threats.catalogue import Threat, build_threat

Spec = TypeVar("Spec", bound=AttackSpec)


def threat_of(job: Job[Spec], device: torch.device) -> Threat:
    named = job.spec.threat.model_dump()
    generators = job.all_verified("generators", "weights")
    sources = job.all_verified("sources", "weights")
    return build_threat(
        job.spec.threat,
        load_generators(named, generators, device),
        load_defenses(named, sources, device),
    )
