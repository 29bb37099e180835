localrules:
    fetch_dataset,


job = jobs["fetch_dataset"]


rule fetch_dataset:
    input:
        unpack(job.inputs),
    output:
        **job.outputs,
    log:
        job.log,
    cache: True
    conda:
        "../../environment.yml"
    resources:
        **job.resources,
    params:
        **job.params,
    shell:
        jobs["fetch_dataset"].shell


job = jobs["build_dataset"]


rule build_dataset:
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
        jobs["build_dataset"].shell


job = jobs["show_dataset"]


rule show_dataset:
    input:
        unpack(job.inputs),
    output:
        **job.outputs,
    log:
        job.log,
    conda:
        "../../environment.yml"
    resources:
        **job.resources,
    params:
        **job.params,
    shell:
        jobs["show_dataset"].shell


job = jobs["corrupt_dataset"]


rule corrupt_dataset:
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
        jobs["corrupt_dataset"].shell
