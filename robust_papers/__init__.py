"""Four papers on adversarial robustness: their threats, defenses and models."""

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.release.loading import (
    Manifold,
    ReleasedDefense,
    list_defenses,
    load_defense,
    load_generator,
    load_manifold,
)
from robust_papers.evaluation import Evaluation, UnderThreat, evaluate
from robust_papers.images import load_images
from robust_papers.threats import LoadedThreat, list_threats, load_threat

__all__ = [
    "Evaluation",
    "LoadedThreat",
    "Manifold",
    "PipelineError",
    "ReleasedDefense",
    "UnderThreat",
    "evaluate",
    "list_defenses",
    "list_threats",
    "load_defense",
    "load_generator",
    "load_images",
    "load_manifold",
    "load_threat",
]
