localrules:
    gather_manifold,


PROJECTED = "results/{scale}/shards/manifolds/{dataset}/{generator}/{split}/{shard}"
MANIFOLD = "results/{scale}/manifolds/{dataset}/{generator}/{split}"


rule project_dataset:
    input:
        images=ancient("data/{dataset}/{split}.images.npy"),
        data_card="data/cards/{dataset}.json",
        generator=ancient(
            "results/{scale}/checkpoints/generators/{dataset}/{generator}.safetensors"
        ),
        generator_card="results/{scale}/cards/generators/{dataset}/{generator}.json",
        features=jobs.features("project_dataset"),
        feature_cards=jobs.feature_cards("project_dataset"),
    output:
        latents=temp(f"{PROJECTED}.latents.npy"),
        images=temp(f"{PROJECTED}.images.npy"),
        errors=temp(f"{PROJECTED}.errors.parquet"),
        pictures=temp(f"{PROJECTED}.pictures.safetensors"),
        card=temp(f"{PROJECTED}.json"),
        record=temp(f"{PROJECTED}.record.json"),
    log:
        "results/{scale}/logs/project_dataset/{dataset}/{generator}/{split}/{shard}.log",
    cache: True
    priority: 20
    conda:
        "../../environment.yml"
    threads: jobs.resource("project_dataset", "threads")
    resources:
        mem_mb=jobs.growing("project_dataset", "memory_mb"),
        runtime=jobs.growing("project_dataset", "minutes"),
        gpu=jobs.gpus("project_dataset"),
        gres=jobs.gres("project_dataset"),
    params:
        spec=jobs.spec("project_dataset"),
        code=jobs.code("project_dataset"),
    shell:
        "python -m pipeline_steps manifolds.project_dataset"
        " --spec {params.spec:q} --code {params.code}"
        " --minutes {resources.runtime}"
        " --inputs images={input.images} images_card={input.data_card}"
        " labels_card={input.data_card}"
        " generator={input.generator} generator_card={input.generator_card}"
        " features={input.features} features_card={input.feature_cards}"
        " --outputs latents={output.latents} images={output.images}"
        " errors={output.errors} pictures={output.pictures}"
        " card={output.card} record={output.record} 2> {log}"


# Roles of a gathered manifold are those of a data set, for one may be made of it.
rule gather_manifold:
    input:
        labels=ancient("data/{dataset}/{split}.labels.npy"),
        data_card="data/cards/{dataset}.json",
        generator_card="results/{scale}/cards/generators/{dataset}/{generator}.json",
        feature_cards=jobs.feature_cards("gather_manifold"),
        latents=jobs.shards(f"{PROJECTED}.latents.npy"),
        images=jobs.shards(f"{PROJECTED}.images.npy"),
        errors=jobs.shards(f"{PROJECTED}.errors.parquet"),
        pictures=jobs.shards(f"{PROJECTED}.pictures.safetensors"),
        cards=jobs.shards(f"{PROJECTED}.json"),
        records=jobs.shards(f"{PROJECTED}.record.json"),
    output:
        latents=f"{MANIFOLD}.latents.npy",
        images=f"{MANIFOLD}.images.npy",
        labels=f"{MANIFOLD}.labels.npy",
        errors=f"{MANIFOLD}.errors.parquet",
        pictures=f"{MANIFOLD}.pictures.safetensors",
        card="results/{scale}/cards/manifolds/{dataset}/{generator}/{split}.json",
        record="results/{scale}/cards/manifolds/{dataset}/{generator}/{split}.record.json",
    log:
        "results/{scale}/logs/gather_manifold/{dataset}/{generator}/{split}.log",
    cache: True
    conda:
        "../../environment.yml"
    params:
        spec=jobs.spec("gather_manifold"),
        code=jobs.code("gather_manifold"),
    shell:
        "python -m pipeline_steps manifolds.gather_manifold"
        " --spec {params.spec:q} --code {params.code}"
        " --inputs images_card={input.data_card}"
        " labels={input.labels} labels_card={input.data_card}"
        " generator_card={input.generator_card} features_card={input.feature_cards}"
        " --parts latents={input.latents} images={input.images} errors={input.errors}"
        " pictures={input.pictures} card={input.cards} record={input.records}"
        " --outputs latents={output.latents} {wildcards.split}_images={output.images}"
        " {wildcards.split}_labels={output.labels} errors={output.errors}"
        " pictures={output.pictures} card={output.card} record={output.record}"
        " 2> {log}"
