"""Photographs of ice, which the corruption of that name lays over images."""

from pathlib import Path

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.settings import Published
from pipeline_steps.datasets.canonical import Decoded
from pipeline_steps.datasets.published import gather
from pipeline_steps.datasets.spec import DatasetSpec


class Frost:
    """The photographs with which CIFAR-10-C was made."""

    def __init__(self, files: list[Published]) -> None:
        self.files = [Published.model_validate(file) for file in files]

    def fetch(self, target: Path, spec: DatasetSpec) -> None:
        gather(self.files, spec.name, target)

    def decode(self, archive: Path, spec: DatasetSpec) -> Decoded:
        raise PipelineError(
            f"{spec.name} holds photographs of ice and no classes, so it has no "
            "canonical form; it is fetched for corruptions of other data sets"
        )
