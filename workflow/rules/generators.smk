rule train_flow:
    input:
        data=jobs.data("train", "images"),
        test=jobs.data("test", "images"),
        card=jobs.data_card("train"),
        test_card=jobs.data_card("test"),
    output:
        weights="results/{scale}/checkpoints/generators/{dataset}/{generator}.safetensors",
        history="results/{scale}/cards/generators/{dataset}/{generator}.history.csv",
        card="results/{scale}/cards/generators/{dataset}/{generator}.json",
        record="results/{scale}/cards/generators/{dataset}/{generator}.record.json",
    log:
        "results/{scale}/logs/train_flow/{dataset}/{generator}.log",
    wildcard_constraints:
        generator=jobs.trained_by("train_flow"),
    cache: True
    priority: 30
    conda:
        "../../environment.yml"
    threads: jobs.resource("train_flow", "threads")
    resources:
        mem_mb=jobs.growing("train_flow", "memory_mb"),
        runtime=jobs.growing("train_flow", "minutes"),
        gpu=jobs.gpus("train_flow"),
        gres=jobs.gres("train_flow"),
        processes=jobs.resource("train_flow", "gpus"),
    params:
        spec=jobs.spec("train_flow"),
        code=jobs.code("train_flow"),
    shell:
        "python -m pipeline_steps generators.train_flow"
        " --spec {params.spec:q} --code {params.code}"
        " --minutes {resources.runtime} --processes {resources.processes}"
        " --inputs data={input.data} data_card={input.card}"
        " test={input.test} test_card={input.test_card}"
        " --outputs weights={output.weights} history={output.history}"
        " card={output.card} record={output.record} 2> {log}"


rule train_gan:
    input:
        data=ancient("data/{dataset}/train.images.npy"),
        labels=ancient("data/{dataset}/train.labels.npy"),
        card="data/cards/{dataset}.json",
        inception=jobs.inception,
    output:
        weights="results/{scale}/checkpoints/generators/{dataset}/{generator}.safetensors",
        history="results/{scale}/cards/generators/{dataset}/{generator}.history.csv",
        card="results/{scale}/cards/generators/{dataset}/{generator}.json",
        record="results/{scale}/cards/generators/{dataset}/{generator}.record.json",
    log:
        "results/{scale}/logs/train_gan/{dataset}/{generator}.log",
    wildcard_constraints:
        generator=jobs.trained_by("train_gan"),
    cache: True
    priority: 30
    conda:
        "../../environment.yml"
    threads: jobs.resource("train_gan", "threads")
    resources:
        mem_mb=jobs.growing("train_gan", "memory_mb"),
        runtime=jobs.growing("train_gan", "minutes"),
        gpu=jobs.gpus("train_gan"),
        gres=jobs.gres("train_gan"),
        processes=jobs.resource("train_gan", "gpus"),
    params:
        spec=jobs.spec("train_gan"),
        code=jobs.code("train_gan"),
    shell:
        "python -m pipeline_steps generators.train_gan"
        " --spec {params.spec:q} --code {params.code}"
        " --minutes {resources.runtime} --processes {resources.processes}"
        " --inputs data={input.data} data_card={input.card}"
        " labels={input.labels} labels_card={input.card}"
        " inception={input.inception}"
        " --outputs weights={output.weights} history={output.history}"
        " card={output.card} record={output.record} 2> {log}"
