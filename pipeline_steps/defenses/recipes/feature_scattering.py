"""Feature Scattering adversarial training."""

from torch import Tensor, nn
from torch.nn import functional

from pipeline_steps.core import workers
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.rng import Rng
from pipeline_steps.core.settings import Count, Share
from pipeline_steps.defenses.recipe import Recipe
from pipeline_steps.defenses.smoothing import smoothed
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.threat import Threat


class FeatureScattering(Recipe):
    """Smoothed cross-entropy on images that were moved away from the batch as a whole,
    in the distance of optimal transport between logits.

    See docs/methods/baselines.md#feature-scattering.
    """

    def __init__(self, threat: Threat, classes: Count, smoothing: Share = 0.5) -> None:
        self.threat, self.classes, self.smoothing = threat, classes, smoothing
        if workers.count() > 1:
            raise PipelineError(
                "Feature Scattering moves the images of a batch together, so one process "
                "must hold them all; set gpus to 1 under resources in "
                "workflow/config/scales"
            )

    def loss(self, model: nn.Module, batch: Batch, rng: Rng) -> Tensor:
        attacked = self.threat(model, batch, rng)
        labels = smoothed(batch.labels, self.classes, self.smoothing)
        return functional.cross_entropy(model(attacked), labels)
