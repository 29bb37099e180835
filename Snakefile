# Four papers, one pipeline. `config["scale"]` is demo, cores, small, preflight or paper.
import sys
from pathlib import Path

from snakemake.utils import min_version

from pipeline_steps.config.jobs import Jobs
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import did_you_mean

min_version("9.20")

# The rules run in the environment that snakemake itself runs in.
limited = "PIPELINE_LIMITED=1" if config.get("limited") else ""
shell.prefix(f'export PATH="{Path(sys.executable).parent}:$PATH" {limited}; ')

try:
    keys = ["scale", "gpus", "limited"]
    for key in set(config) - set(keys):
        raise PipelineError(f"there is no config key '{key}'{did_you_mean(key, keys)}")
    jobs = Jobs(str(config.get("scale", "demo")), str(config.get("gpus", "gpu")))
except PipelineError as error:
    sys.exit(f"error: {error}")


report: "workflow/report/workflow.rst"


wildcard_constraints:
    **jobs.patterns(),


rule all:
    input:
        jobs.targets(),
        f"results/{jobs.scale}/claims.csv",
        f"results/{jobs.scale}/index.html",


include: "workflow/rules/datasets.smk"
include: "workflow/rules/generators.smk"
include: "workflow/rules/manifolds.smk"
include: "workflow/rules/defenses.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/papers.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/calibrations.smk"
include: "workflow/rules/claims.smk"
