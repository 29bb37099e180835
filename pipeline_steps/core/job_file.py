"""A job in a file: everything from Snakemake's plan that a step needs besides the name
of its result.

The file is only a message. Whoever runs a job checks that its settings are those that
were planned, and a job whose file is gone is planned again from the config.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline_steps.core.digest import spec_text, text_digest
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.files import read_json, writing
from pipeline_steps.layout import JOBS

CHANGES_NO_RESULT = True

# Set if a job may run on a CPU although its scale requests a GPU.
ON_CPU = "PIPELINE_CPU"
NO_GPU = (
    "this scale needs a GPU for {what}, and torch finds none here; use a machine that has "
    "one, or add `--config cpu=yes` to compute on the CPU all the same (`--cpu` where "
    "`python -m pipeline_steps` is typed by hand)"
)


@dataclass(frozen=True)
class JobFile:
    """A step's settings, and where its files are."""

    step: str
    spec: dict[str, Any]
    outputs: dict[str, str]
    """By role."""
    inputs: dict[str, list[str]] = field(default_factory=dict)
    """By name; `NAME_card` is the card of `NAME`."""
    parts: dict[str, list[str]] = field(default_factory=dict)
    """By role: the outputs of this job's shards."""
    code: str | None = None
    """The digest of the code that was planned."""
    gpus: int = 0
    """How many its scale asks for."""
    environment: dict[str, str] = field(default_factory=dict)
    """The step's environment variables, on which no result depends."""

    @property
    def spec_digest(self) -> str:
        return text_digest(spec_text(self.spec))

    def write(self, path: Path) -> None:
        # Sorted, as in the digest: a step that iterates over its settings, such as an
        # ensemble, then always has the same order.
        text = json.dumps(asdict(self), sort_keys=True)
        with writing(path) as partial:
            partial.write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "JobFile":
        content = read_json(path)
        try:
            return cls(**content)
        except TypeError:
            raise PipelineError(
                f"{path} is not a job file; to make a result, run `python -m "
                "pipeline_steps RESULT`"
            ) from None


def place_of(result: str) -> Path:
    """Where a job is described while it waits and runs."""
    return JOBS / f"{text_digest(result)[:32]}.json"
