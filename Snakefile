# Four papers, one pipeline. `config["scale"]` names a file of workflow/config/scales.
import sys
from pathlib import Path

from snakemake.utils import min_version

from pipeline_steps.jobs.rules import Rules
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import ROOT, did_you_mean
from pipeline_steps.core.worker_pool import WORTH_A_POOL, start_pool
from pipeline_steps.terminal.follower import Follower

min_version("9.20")

# The rules run in the environment that snakemake itself runs in.
limited = "PIPELINE_LIMITED=1" if config.get("limited") else ""
shell.prefix(f'export PATH="{Path(sys.executable).parent}:$PATH" {limited}; ')

try:
    keys = ["scale", "gpus", "limited", "pool"]
    for key in set(config) - set(keys):
        raise PipelineError(f"there is no config key '{key}'{did_you_mean(key, keys)}")
    jobs = Rules(str(config.get("scale", "demo")), str(config.get("gpus", "gpu")))
except PipelineError as error:
    sys.exit(f"error: {error}")

# What a run shows; all that Snakemake says itself goes to its file in .snakemake/log.
follower = Follower.attach(workflow, jobs)


# Local jobs start as forks of one process; `--config pool=no` starts each by itself.
onstart:
    # Snakemake 9.27 looks for jobs to start once a second for each job that has ended, to
    # keep to its rate of 100 a second; after hundreds of jobs it does little else.
    workflow.scheduler.job_rate_limiter = None
    jobs.describe(workflow.dag.needrun_jobs())
    here = workflow.is_main_process and workflow.local_exec and not workflow.touch
    if here and config.get("pool", True) and len(workflow.dag) >= WORTH_A_POOL:
        start_pool(ROOT)
    if follower:
        follower.begin(workflow)


report: "workflow/report/workflow.rst"


wildcard_constraints:
    **jobs.constraints,


rule all:
    input:
        jobs.targets(),
        jobs.all_pages(),


include: "workflow/rules/datasets.smk"
include: "workflow/rules/generators.smk"
include: "workflow/rules/manifolds.smk"
include: "workflow/rules/defenses.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/papers.smk"
