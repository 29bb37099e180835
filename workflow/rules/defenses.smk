job = jobs["train_defense"]


rule train_defense:
    input:
        unpack(job.inputs),
    output:
        **job.outputs,
    log:
        job.log,
    wildcard_constraints:
        **job.constraints,
    cache: True
    priority: 10
    conda:
        "../../environment.yml"
    threads: job.threads
    resources:
        **job.resources,
    params:
        **job.params,
    shell:
        jobs["train_defense"].shell


job = jobs["adopt_defense"]


rule adopt_defense:
    input:
        unpack(job.inputs),
    output:
        **job.outputs,
    log:
        job.log,
    wildcard_constraints:
        **job.constraints,
    conda:
        "../../environment.yml"
    resources:
        **job.resources,
    params:
        **job.params,
    shell:
        jobs["adopt_defense"].shell
