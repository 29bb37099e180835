localrules:
    gather_verdicts,


job = jobs["attack_defense"]


rule attack_defense:
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
    threads: job.threads
    resources:
        **job.resources,
    params:
        **job.params,
    shell:
        jobs["attack_defense"].shell


job = jobs["attack_shard"]


rule attack_shard:
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
    threads: job.threads
    resources:
        **job.resources,
    params:
        **job.params,
    shell:
        jobs["attack_shard"].shell


job = jobs["gather_verdicts"]


rule gather_verdicts:
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
        jobs["gather_verdicts"].shell


job = jobs["attack_snapshots"]


rule attack_snapshots:
    input:
        unpack(job.inputs),
    output:
        **job.outputs,
    log:
        job.log,
    cache: True
    conda:
        "../../environment.yml"
    threads: job.threads
    resources:
        **job.resources,
    params:
        **job.params,
    shell:
        jobs["attack_snapshots"].shell


job = jobs["explain_defense"]


rule explain_defense:
    input:
        unpack(job.inputs),
    output:
        **job.outputs,
    log:
        job.log,
    cache: True
    conda:
        "../../environment.yml"
    threads: job.threads
    resources:
        **job.resources,
    params:
        **job.params,
    shell:
        jobs["explain_defense"].shell
