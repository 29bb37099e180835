localrules:
    fetch_dataset,


rule fetch_dataset:
    output:
        archive="data/downloads/{dataset}.archive",
        card="data/cards/{dataset}.archive.json",
        record="data/cards/{dataset}.archive.record.json",
    log:
        "data/logs/fetch_dataset/{dataset}.log",
    cache: True
    conda:
        "../../environment.yml"
    params:
        spec=jobs.spec("fetch_dataset"),
        code=jobs.code("fetch_dataset"),
    shell:
        "python -m pipeline_steps.datasets.fetch_dataset"
        " --spec {params.spec:q} --code {params.code}"
        " --outputs archive={output.archive} card={output.card}"
        " record={output.record} 2> {log}"


rule build_dataset:
    input:
        archive=ancient("data/downloads/{dataset}.archive"),
        archive_card="data/cards/{dataset}.archive.json",
    output:
        train_images="data/{dataset}/train.images.npy",
        train_labels="data/{dataset}/train.labels.npy",
        test_images="data/{dataset}/test.images.npy",
        test_labels="data/{dataset}/test.labels.npy",
        card="data/cards/{dataset}.json",
        record="data/cards/{dataset}.record.json",
    log:
        "data/logs/build_dataset/{dataset}.log",
    cache: True
    conda:
        "../../environment.yml"
    threads: jobs.resource("build_dataset", "threads")
    resources:
        mem_mb=jobs.growing("build_dataset", "memory_mb"),
        runtime=jobs.growing("build_dataset", "minutes"),
    params:
        spec=jobs.spec("build_dataset"),
        code=jobs.code("build_dataset"),
    shell:
        "python -m pipeline_steps.datasets.build_dataset"
        " --spec {params.spec:q} --code {params.code}"
        " --minutes {resources.runtime}"
        " --inputs archive={input.archive} archive_card={input.archive_card}"
        " --outputs train_images={output.train_images}"
        " train_labels={output.train_labels} test_images={output.test_images}"
        " test_labels={output.test_labels} card={output.card}"
        " record={output.record} 2> {log}"
