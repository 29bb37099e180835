job = jobs["train_flow"]


rule train_flow:
    input:
        unpack(job.inputs),
    output:
        **job.outputs,
    log:
        job.log,
    wildcard_constraints:
        **job.constraints,
    cache: True
    priority: 30
    conda:
        "../../environment.yml"
    threads: job.threads
    resources:
        **job.resources,
    params:
        **job.params,
    shell:
        jobs["train_flow"].shell


job = jobs["train_gan"]


rule train_gan:
    input:
        unpack(job.inputs),
    output:
        **job.outputs,
    log:
        job.log,
    wildcard_constraints:
        **job.constraints,
    cache: True
    priority: 30
    conda:
        "../../environment.yml"
    threads: job.threads
    resources:
        **job.resources,
    params:
        **job.params,
    shell:
        jobs["train_gan"].shell
