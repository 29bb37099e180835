rule project_dataset:
    input:
        images=ancient("data/{dataset}/test.images.npy"),
        images_card="data/cards/{dataset}.json",
        generator=ancient(
            "results/{scale}/checkpoints/generators/{dataset}/{generator}.safetensors"
        ),
        generator_card="results/{scale}/cards/generators/{dataset}/{generator}.json",
    output:
        latents="results/{scale}/manifolds/{dataset}/{generator}.latents.npy",
        pictures="results/{scale}/manifolds/{dataset}/{generator}.pictures.safetensors",
        card="results/{scale}/cards/manifolds/{dataset}/{generator}.json",
        record="results/{scale}/cards/manifolds/{dataset}/{generator}.record.json",
    log:
        "results/{scale}/logs/project_dataset/{dataset}/{generator}.log",
    cache: True
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
        " --outputs latents={output.latents} pictures={output.pictures}"
        " card={output.card} record={output.record} 2> {log}"
