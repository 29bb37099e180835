rule train_defense:
    input:
        images=jobs.data("train", "images"),
        labels=jobs.data("train", "labels"),
        watched=jobs.watched,
        data_card=jobs.data_card("train"),
        generators=jobs.generators("train_defense"),
        generator_cards=jobs.generator_cards("train_defense"),
        latents=jobs.latents("train_defense", "train"),
        latent_cards=jobs.latent_cards("train_defense", "train"),
    output:
        weights="results/{scale}/checkpoints/defenses/{dataset}/{defense}.safetensors",
        snapshots="results/{scale}/checkpoints/defenses/{dataset}/{defense}.snapshots.safetensors",
        history="results/{scale}/cards/defenses/{dataset}/{defense}.history.csv",
        card="results/{scale}/cards/defenses/{dataset}/{defense}.json",
        record="results/{scale}/cards/defenses/{dataset}/{defense}.record.json",
    log:
        "results/{scale}/logs/train_defense/{dataset}/{defense}.log",
    wildcard_constraints:
        defense=jobs.trained_defenses(),
    cache: True
    priority: 10
    conda:
        "../../environment.yml"
    threads: jobs.resource("train_defense", "threads")
    resources:
        mem_mb=jobs.growing("train_defense", "memory_mb"),
        runtime=jobs.growing("train_defense", "minutes"),
        gpu=jobs.gpus("train_defense"),
        gres=jobs.gres("train_defense"),
        processes=jobs.resource("train_defense", "gpus"),
    params:
        spec=jobs.spec("train_defense"),
        code=jobs.code("train_defense"),
        watched=jobs.told_watched,
    shell:
        "python -m pipeline_steps defenses.train_defense"
        " --spec {params.spec:q} --code {params.code}"
        " --minutes {resources.runtime} --processes {resources.processes}"
        " --inputs images={input.images} images_card={input.data_card}"
        " labels={input.labels} labels_card={input.data_card}"
        " {params.watched}"
        " generators={input.generators} generators_card={input.generator_cards}"
        " latents={input.latents} latents_card={input.latent_cards}"
        " --outputs weights={output.weights} snapshots={output.snapshots}"
        " history={output.history} card={output.card} record={output.record}"
        " 2> {log}"


rule adopt_defense:
    input:
        given=jobs.own_weights,
        images=jobs.data("test", "images"),
        labels=jobs.data("test", "labels"),
        data_card=jobs.data_card("test"),
    output:
        weights="results/{scale}/checkpoints/defenses/{dataset}/{defense}.safetensors",
        card="results/{scale}/cards/defenses/{dataset}/{defense}.json",
        record="results/{scale}/cards/defenses/{dataset}/{defense}.record.json",
    log:
        "results/{scale}/logs/adopt_defense/{dataset}/{defense}.log",
    wildcard_constraints:
        defense=jobs.adopted_models(),
    conda:
        "../../environment.yml"
    params:
        spec=jobs.spec("adopt_defense"),
        code=jobs.code("adopt_defense"),
    shell:
        "python -m pipeline_steps defenses.adopt_defense"
        " --spec {params.spec:q} --code {params.code}"
        " --inputs given={input.given:q}"
        " images={input.images} images_card={input.data_card}"
        " labels={input.labels} labels_card={input.data_card}"
        " --outputs weights={output.weights}"
        " card={output.card} record={output.record}"
        " 2> {log}"
