# Four papers, one pipeline. `config["scale"]` names a file of workflow/config/scales.
import sys
from pathlib import Path

import snakemake.dag
from snakemake.utils import min_version

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import ROOT, refuse_broken_code

# Before anything else is imported, for a file that is not Python ends that in a traceback.
try:
    if workflow.is_main_process:
        refuse_broken_code()
except PipelineError as error:
    sys.exit(f"error: {error}")

from pipeline_steps.jobs.options import Options
from pipeline_steps.jobs.rules import Rules
from pipeline_steps.core.files import refuse_unwritable
from pipeline_steps.core.lock import sweep
from pipeline_steps.core.worker_pool import WORTH_A_POOL, start_pool
from pipeline_steps.terminal.follower import Follower

min_version("9.20")

try:
    options = Options.of(config)
    jobs = Rules(options.scale, options.gpus)
    if workflow.is_main_process:
        refuse_unwritable(Path.cwd())
        if workflow.resource_settings.cores == 0:
            raise PipelineError("no job can start with --cores 0; give it 1 or more")
except PipelineError as error:
    sys.exit(f"error: {error}")

# Snakemake's own sentence about an unknown target has no nearest name.
snakemake.dag.MissingRuleException = jobs.unknown_target

# The rules run in the environment that snakemake itself runs in.
bin = Path(sys.executable).parent
shell.prefix(f'export PATH="{bin}:$PATH" {options.environment}; ')

# What a run shows; all that Snakemake says itself goes to its file in .snakemake/log.
follower = Follower.attach(workflow, jobs)


# Local jobs start as forks of one process; `--config pool=no` starts each by itself.
onstart:
    # Snakemake 9.27 looks for jobs to start once a second for each job that has ended, to
    # keep to its rate of 100 a second; after hundreds of jobs it does little else.
    workflow.scheduler.job_rate_limiter = None
    if workflow.is_main_process:
        sweep(Path.cwd())
    here = workflow.is_main_process and workflow.local_exec and not workflow.touch
    needrun = [*workflow.dag.needrun_jobs()]
    if here and not options.cpu:
        jobs.refuse_without_gpu(needrun)
    jobs.describe(needrun)
    if here and options.pool and len(workflow.dag) >= WORTH_A_POOL:
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
