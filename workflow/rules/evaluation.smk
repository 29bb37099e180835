localrules:
    gather_verdicts,


include: "explanations.smk"


JUDGED = "results/{scale}/shards/verdicts/{dataset}/{defense}/{threat}/{shard}"


rule attack_defense:
    input:
        images=jobs.data("test", "images"),
        labels=jobs.data("test", "labels"),
        data_card=jobs.data_card("test"),
        weights=jobs.weights,
        weights_card=jobs.trained_card,
        generators=jobs.generators("attack_defense"),
        generator_cards=jobs.generator_cards("attack_defense"),
        latents=jobs.latents("attack_defense", "test"),
        latent_cards=jobs.latent_cards("attack_defense", "test"),
        sources=jobs.sources("attack_defense"),
        source_cards=jobs.source_cards("attack_defense"),
        features=jobs.features("attack_defense"),
        feature_cards=jobs.feature_cards("attack_defense"),
    output:
        verdicts=temp(f"{JUDGED}.parquet"),
        examples=temp(f"{JUDGED}.examples.safetensors"),
        card=temp(f"{JUDGED}.json"),
        record=temp(f"{JUDGED}.record.json"),
    log:
        "results/{scale}/logs/attack_defense/{dataset}/{defense}/{threat}/{shard}.log",
    wildcard_constraints:
        dataset=jobs.judged_on(),
    cache: True
    conda:
        "../../environment.yml"
    threads: jobs.resource("attack_defense", "threads")
    resources:
        mem_mb=jobs.growing("attack_defense", "memory_mb"),
        runtime=jobs.growing("attack_defense", "minutes"),
        gpu=jobs.gpus("attack_defense"),
        gres=jobs.gres("attack_defense"),
    params:
        spec=jobs.spec("attack_defense"),
        code=jobs.code("attack_defense"),
    shell:
        "python -m pipeline_steps evaluation.attack_defense"
        " --spec {params.spec:q} --code {params.code}"
        " --minutes {resources.runtime}"
        " --inputs images={input.images} images_card={input.data_card}"
        " labels={input.labels} labels_card={input.data_card}"
        " weights={input.weights} weights_card={input.weights_card}"
        " generators={input.generators} generators_card={input.generator_cards}"
        " latents={input.latents} latents_card={input.latent_cards}"
        " sources={input.sources} sources_card={input.source_cards}"
        " features={input.features} features_card={input.feature_cards}"
        " --outputs verdicts={output.verdicts} examples={output.examples}"
        " card={output.card} record={output.record} 2> {log}"


rule gather_verdicts:
    input:
        data_card=jobs.data_card("test"),
        weights_card=jobs.trained_card,
        generator_cards=jobs.generator_cards("gather_verdicts"),
        latent_cards=jobs.latent_cards("gather_verdicts", "test"),
        source_cards=jobs.source_cards("gather_verdicts"),
        feature_cards=jobs.feature_cards("gather_verdicts"),
        verdicts=jobs.shards(f"{JUDGED}.parquet"),
        examples=jobs.shards(f"{JUDGED}.examples.safetensors"),
        cards=jobs.shards(f"{JUDGED}.json"),
        records=jobs.shards(f"{JUDGED}.record.json"),
    output:
        verdicts="results/{scale}/verdicts/{dataset}/{defense}/{threat}.parquet",
        examples="results/{scale}/verdicts/{dataset}/{defense}/{threat}.examples.safetensors",
        card="results/{scale}/cards/verdicts/{dataset}/{defense}/{threat}.json",
        record="results/{scale}/cards/verdicts/{dataset}/{defense}/{threat}.record.json",
    log:
        "results/{scale}/logs/gather_verdicts/{dataset}/{defense}/{threat}.log",
    wildcard_constraints:
        dataset=jobs.judged_on(),
    cache: True
    conda:
        "../../environment.yml"
    params:
        spec=jobs.spec("gather_verdicts"),
        code=jobs.code("gather_verdicts"),
    shell:
        "python -m pipeline_steps evaluation.gather_verdicts"
        " --spec {params.spec:q} --code {params.code}"
        " --inputs images_card={input.data_card} labels_card={input.data_card}"
        " weights_card={input.weights_card}"
        " generators_card={input.generator_cards}"
        " latents_card={input.latent_cards}"
        " sources_card={input.source_cards}"
        " features_card={input.feature_cards}"
        " --parts verdicts={input.verdicts} examples={input.examples}"
        " card={input.cards} record={input.records}"
        " --outputs verdicts={output.verdicts} examples={output.examples}"
        " card={output.card} record={output.record} 2> {log}"


rule attack_snapshots:
    input:
        images=jobs.data("test", "images"),
        labels=jobs.data("test", "labels"),
        data_card=jobs.data_card("test"),
        snapshots=jobs.trained(".snapshots.safetensors"),
        snapshots_card=jobs.trained_card,
        generators=jobs.generators("attack_snapshots"),
        generator_cards=jobs.generator_cards("attack_snapshots"),
        latents=jobs.latents("attack_snapshots", "test"),
        latent_cards=jobs.latent_cards("attack_snapshots", "test"),
        sources=jobs.sources("attack_snapshots"),
        source_cards=jobs.source_cards("attack_snapshots"),
    output:
        curve="results/{scale}/curves/{dataset}/{defense}/{threat}.parquet",
        card="results/{scale}/cards/curves/{dataset}/{defense}/{threat}.json",
        record="results/{scale}/cards/curves/{dataset}/{defense}/{threat}.record.json",
    log:
        "results/{scale}/logs/attack_snapshots/{dataset}/{defense}/{threat}.log",
    cache: True
    conda:
        "../../environment.yml"
    threads: jobs.resource("attack_snapshots", "threads")
    resources:
        mem_mb=jobs.growing("attack_snapshots", "memory_mb"),
        runtime=jobs.growing("attack_snapshots", "minutes"),
        gpu=jobs.gpus("attack_snapshots"),
        gres=jobs.gres("attack_snapshots"),
    params:
        spec=jobs.spec("attack_snapshots"),
        code=jobs.code("attack_snapshots"),
    shell:
        "python -m pipeline_steps evaluation.attack_snapshots"
        " --spec {params.spec:q} --code {params.code}"
        " --minutes {resources.runtime}"
        " --inputs images={input.images} images_card={input.data_card}"
        " labels={input.labels} labels_card={input.data_card}"
        " snapshots={input.snapshots} snapshots_card={input.snapshots_card}"
        " generators={input.generators} generators_card={input.generator_cards}"
        " latents={input.latents} latents_card={input.latent_cards}"
        " sources={input.sources} sources_card={input.source_cards}"
        " --outputs curve={output.curve} card={output.card}"
        " record={output.record} 2> {log}"
