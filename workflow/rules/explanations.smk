# A part of evaluation.smk: where a defense looks in images that a threat has edited.
rule explain_defense:
    input:
        weights=jobs.weights,
        weights_card=jobs.trained_card,
        examples=ancient(
            "results/{scale}/verdicts/{dataset}/{defense}/{threat}.examples.safetensors"
        ),
        examples_card="results/{scale}/cards/verdicts/{dataset}/{defense}/{threat}.json",
    output:
        maps="results/{scale}/explanations/{dataset}/{defense}/{threat}.safetensors",
        card="results/{scale}/cards/explanations/{dataset}/{defense}/{threat}.json",
        record="results/{scale}/cards/explanations/{dataset}/{defense}/{threat}.record.json",
    log:
        "results/{scale}/logs/explain_defense/{dataset}/{defense}/{threat}.log",
    cache: True
    conda:
        "../../environment.yml"
    threads: jobs.resource("explain_defense", "threads")
    resources:
        mem_mb=jobs.growing("explain_defense", "memory_mb"),
        runtime=jobs.growing("explain_defense", "minutes"),
        gpu=jobs.gpus("explain_defense"),
        gres=jobs.gres("explain_defense"),
    params:
        spec=jobs.spec("explain_defense"),
        code=jobs.code("explain_defense"),
    shell:
        "python -m pipeline_steps evaluation.explain_defense"
        " --spec {params.spec:q} --code {params.code}"
        " --inputs weights={input.weights} weights_card={input.weights_card}"
        " examples={input.examples} examples_card={input.examples_card}"
        " --outputs maps={output.maps} card={output.card}"
        " record={output.record} 2> {log}"
