"""The options of `snakemake --config …`, checked."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.job_file import ON_CPU
from pipeline_steps.core.registry import did_you_mean

# Snakemake leaves `yes` and `no` as strings.
YES_OR_NO = {"yes": True, "true": True, "no": False, "false": False}


@dataclass(frozen=True)
class Options:
    """Snakemake's config, checked."""

    scale: str = "demo"
    """The name of a file in workflow/config/scales."""
    gpus: str = "gpu"
    """How the cluster calls GPUs."""
    limited: bool = False
    """Whether a training stops itself before its time limit."""
    pool: bool = True
    """Whether local jobs start as forks of one process."""
    cpu: bool = False
    """Whether jobs that request GPUs may run on a CPU."""

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Options":
        known = {field.name: field.type for field in fields(cls)}
        values: dict[str, Any] = {}
        for key, value in config.items():
            if key not in known:
                near = did_you_mean(str(key), known)
                raise PipelineError(f"there is no config key '{key}'{near}")
            text = "" if value is None else str(value)
            values[key] = YES_OR_NO.get(text.lower()) if known[key] is bool else text
            if values[key] in (None, ""):
                wanted = "yes or no" if known[key] is bool else "a word"
                said = f"'{text}'" if text else "nothing"
                raise PipelineError(f"config key '{key}' must be {wanted}, not {said}")
        return cls(**values)

    @property
    def environment(self) -> str:
        """Environment variables for the jobs, in shell syntax."""
        named = {"PIPELINE_LIMITED": self.limited, ON_CPU: self.cpu}
        return " ".join(f"{name}=1" for name, is_set in named.items() if is_set)
