localrules:
    gather_manifold,


job = jobs["project_dataset"]


rule project_dataset:
    input:
        unpack(job.inputs),
    output:
        **job.outputs,
    log:
        job.log,
    wildcard_constraints:
        **job.constraints,
    cache: True
    priority: 20
    conda:
        "../../environment.yml"
    threads: job.threads
    resources:
        **job.resources,
    params:
        **job.params,
    shell:
        jobs["project_dataset"].shell


job = jobs["project_shard"]


rule project_shard:
    input:
        unpack(job.inputs),
    output:
        **job.outputs,
    log:
        job.log,
    wildcard_constraints:
        **job.constraints,
    cache: True
    priority: 20
    conda:
        "../../environment.yml"
    threads: job.threads
    resources:
        **job.resources,
    params:
        **job.params,
    shell:
        jobs["project_shard"].shell


job = jobs["gather_manifold"]


rule gather_manifold:
    input:
        unpack(job.inputs),
    output:
        **job.outputs,
    log:
        job.log,
    wildcard_constraints:
        **job.constraints,
    cache: True
    conda:
        "../../environment.yml"
    resources:
        **job.resources,
    params:
        **job.params,
    shell:
        jobs["gather_manifold"].shell
