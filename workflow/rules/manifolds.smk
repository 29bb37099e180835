localrules:
    gather_manifold,


PROJECTED = "results/{scale}/shards/manifolds/{dataset}/{generator}/{shard}"


rule project_dataset:
    input:
        images=ancient("data/{dataset}/test.images.npy"),
        images_card="data/cards/{dataset}.json",
        generator=ancient(
            "results/{scale}/checkpoints/generators/{dataset}/{generator}.safetensors"
        ),
        generator_card="results/{scale}/cards/generators/{dataset}/{generator}.json",
    output:
        latents=temp(f"{PROJECTED}.latents.npy"),
        errors=temp(f"{PROJECTED}.errors.parquet"),
        pictures=temp(f"{PROJECTED}.pictures.safetensors"),
        card=temp(f"{PROJECTED}.json"),
        record=temp(f"{PROJECTED}.record.json"),
    log:
        "results/{scale}/logs/project_dataset/{dataset}/{generator}/{shard}.log",
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
        "python -m pipeline_steps.manifolds.project_dataset"
        " --spec {params.spec:q} --code {params.code}"
        " --minutes {resources.runtime}"
        " --inputs images={input.images} images_card={input.images_card}"
        " generator={input.generator} generator_card={input.generator_card}"
        " --outputs latents={output.latents} errors={output.errors}"
        " pictures={output.pictures} card={output.card} record={output.record}"
        " 2> {log}"


rule gather_manifold:
    input:
        images_card="data/cards/{dataset}.json",
        generator_card="results/{scale}/cards/generators/{dataset}/{generator}.json",
        latents=jobs.shards(f"{PROJECTED}.latents.npy"),
        errors=jobs.shards(f"{PROJECTED}.errors.parquet"),
        pictures=jobs.shards(f"{PROJECTED}.pictures.safetensors"),
        cards=jobs.shards(f"{PROJECTED}.json"),
        records=jobs.shards(f"{PROJECTED}.record.json"),
    output:
        latents="results/{scale}/manifolds/{dataset}/{generator}.latents.npy",
        errors="results/{scale}/manifolds/{dataset}/{generator}.errors.parquet",
        pictures="results/{scale}/manifolds/{dataset}/{generator}.pictures.safetensors",
        card="results/{scale}/cards/manifolds/{dataset}/{generator}.json",
        record="results/{scale}/cards/manifolds/{dataset}/{generator}.record.json",
    log:
        "results/{scale}/logs/gather_manifold/{dataset}/{generator}.log",
    cache: True
    conda:
        "../../environment.yml"
    params:
        spec=jobs.spec("gather_manifold"),
        code=jobs.code("gather_manifold"),
    shell:
        "python -m pipeline_steps.manifolds.gather_manifold"
        " --spec {params.spec:q} --code {params.code}"
        " --inputs images_card={input.images_card}"
        " generator_card={input.generator_card}"
        " --parts latents={input.latents} errors={input.errors}"
        " pictures={input.pictures} card={input.cards} record={input.records}"
        " --outputs latents={output.latents} errors={output.errors}"
        " pictures={output.pictures} card={output.card} record={output.record}"
        " 2> {log}"
