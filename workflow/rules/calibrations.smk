localrules:
    calibrate,


rule calibrate:
    input:
        verdicts=jobs.verdicts("calibrate"),
        verdict_cards=jobs.verdict_cards("calibrate"),
    output:
        csv="results/{scale}/papers/{paper}/{calibration}.csv",
        html="results/{scale}/papers/{paper}/{calibration}.html",
        card="results/{scale}/cards/papers/{paper}/{calibration}.json",
        record="results/{scale}/cards/papers/{paper}/{calibration}.record.json",
    log:
        "results/{scale}/logs/calibrate/{paper}/{calibration}.log",
    conda:
        "../../environment.yml"
    params:
        spec=jobs.spec("calibrate"),
        code=jobs.code("calibrate"),
    shell:
        "python -m pipeline_steps papers.calibrate"
        " --spec {params.spec:q} --code {params.code}"
        " --inputs verdicts={input.verdicts} verdicts_card={input.verdict_cards}"
        " --outputs csv={output.csv} html={output.html}"
        " card={output.card} record={output.record} 2> {log}"
