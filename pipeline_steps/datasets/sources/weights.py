"""Published weights of a network, whose features tell images apart."""

from pathlib import Path

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.settings import Published
from pipeline_steps.datasets.canonical import Decoded
from pipeline_steps.datasets.published import gather
from pipeline_steps.datasets.spec import DatasetSpec


class Weights:
    """A file of weights, fetched and checked like any data set."""

    def __init__(self, files: list[Published]) -> None:
        self.files = [Published.model_validate(file) for file in files]

    def fetch(self, target: Path, spec: DatasetSpec) -> None:
        gather(self.files, spec.name, target)

    def decode(self, archive: Path, spec: DatasetSpec) -> Decoded:
        raise PipelineError(
            f"{spec.name} holds the weights of a network and no images, so it has no "
            "canonical form; it is fetched for projections onto a manifold"
        )
