# Where published files may lie is a resource, and no parameter: from which place bytes
# come changes no result, so a new mirror reruns nothing.
localrules:
    fetch_dataset,


rule fetch_dataset:
    output:
        archive="data/{dataset}/archive",
        card="data/cards/{dataset}.archive.json",
        record="data/cards/{dataset}.archive.record.json",
    log:
        "data/logs/fetch_dataset/{dataset}.log",
    cache: True
    conda:
        "../../environment.yml"
    resources:
        places=jobs.places,
    params:
        spec=jobs.spec("fetch_dataset"),
        code=jobs.code("fetch_dataset"),
    shell:
        "DATASETS_MIRROR={resources.places:q}"
        " python -m pipeline_steps datasets.fetch_dataset"
        " --spec {params.spec:q} --code {params.code}"
        " --outputs archive={output.archive} card={output.card}"
        " record={output.record} 2> {log}"


rule build_dataset:
    input:
        archive=ancient("data/{dataset}/archive"),
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
        places=jobs.places,
    params:
        spec=jobs.spec("build_dataset"),
        code=jobs.code("build_dataset"),
    shell:
        "DATASETS_MIRROR={resources.places:q}"
        " python -m pipeline_steps datasets.build_dataset"
        " --spec {params.spec:q} --code {params.code}"
        " --minutes {resources.runtime}"
        " --inputs archive={input.archive} archive_card={input.archive_card}"
        " --outputs train_images={output.train_images}"
        " train_labels={output.train_labels} test_images={output.test_images}"
        " test_labels={output.test_labels} card={output.card}"
        " record={output.record} 2> {log}"


rule show_dataset:
    input:
        images=ancient("data/{dataset}/train.images.npy"),
        labels=ancient("data/{dataset}/train.labels.npy"),
        card="data/cards/{dataset}.json",
    output:
        sheet="data/sheets/{dataset}.png",
        card="data/cards/{dataset}.sheet.json",
        record="data/cards/{dataset}.sheet.record.json",
    log:
        "data/logs/show_dataset/{dataset}.log",
    conda:
        "../../environment.yml"
    params:
        spec=jobs.spec("show_dataset"),
        code=jobs.code("show_dataset"),
    shell:
        "python -m pipeline_steps datasets.show_dataset"
        " --spec {params.spec:q} --code {params.code}"
        " --inputs images={input.images} images_card={input.card}"
        " labels={input.labels} labels_card={input.card}"
        " --outputs sheet={output.sheet} card={output.card}"
        " record={output.record} 2> {log}"


rule corrupt_dataset:
    input:
        images=ancient("data/{dataset}/test.images.npy"),
        labels=ancient("data/{dataset}/test.labels.npy"),
        card="data/cards/{dataset}.json",
        archive=lambda w: ancient(
            expand("data/{name}/archive", name=jobs.plan(w).needed(**w))
        ),
        archive_card=lambda w: expand(
            "data/cards/{name}.archive.json", name=jobs.plan(w).needed(**w)
        ),
    output:
        images="data/{dataset}/corruptions/{corruption}.images.npy",
        labels="data/{dataset}/corruptions/{corruption}.labels.npy",
        card="data/cards/{dataset}.{corruption}.json",
        record="data/cards/{dataset}.{corruption}.record.json",
    log:
        "data/logs/corrupt_dataset/{dataset}.{corruption}.log",
    cache: True
    conda:
        "../../environment.yml"
    threads: jobs.resource("corrupt_dataset", "threads")
    resources:
        mem_mb=jobs.growing("corrupt_dataset", "memory_mb"),
        runtime=jobs.growing("corrupt_dataset", "minutes"),
    params:
        spec=jobs.spec("corrupt_dataset"),
        code=jobs.code("corrupt_dataset"),
    shell:
        "python -m pipeline_steps datasets.corrupt_dataset"
        " --spec {params.spec:q} --code {params.code}"
        " --minutes {resources.runtime}"
        " --inputs images={input.images} images_card={input.card}"
        " labels={input.labels} labels_card={input.card}"
        " archive={input.archive} archive_card={input.archive_card}"
        " --outputs test_images={output.images} test_labels={output.labels}"
        " card={output.card} record={output.record} 2> {log}"
