localrules:
    check_claims,
    gather_claims,


rule check_claims:
    input:
        verdicts=jobs.verdicts("check_claims"),
        verdict_cards=jobs.verdict_cards("check_claims"),
        curves=jobs.curves,
        curve_cards=jobs.curve_cards,
        manifolds=jobs.manifold_cards,
    output:
        json="results/{scale}/papers/{paper}/claims.json",
        csv="results/{scale}/papers/{paper}/claims.csv",
        card="results/{scale}/cards/papers/{paper}/claims.json",
        record="results/{scale}/cards/papers/{paper}/claims.record.json",
    log:
        "results/{scale}/logs/check_claims/{paper}.log",
    conda:
        "../../environment.yml"
    params:
        spec=jobs.spec("check_claims"),
        code=jobs.code("check_claims"),
    shell:
        # Each card's place follows, for with both lists a line would be too long.
        "verdicts='{input.verdicts}';"
        " python -m pipeline_steps papers.check_claims"
        " --spec {params.spec:q} --code {params.code}"
        " --inputs verdicts=$verdicts verdicts_card="
        "$(sed 's|/verdicts/|/cards&|g; s|[.]parquet|.json|g' <<< $verdicts)"
        " curves={input.curves} curves_card={input.curve_cards}"
        " manifolds={input.manifolds}"
        " --outputs json={output.json} csv={output.csv}"
        " card={output.card} record={output.record} 2> {log}"


rule gather_claims:
    input:
        claims=jobs.claims("results/{scale}/papers/{paper}/claims.json"),
        cards=jobs.claims("results/{scale}/cards/papers/{paper}/claims.json"),
    output:
        json="results/{scale}/claims.json",
        csv="results/{scale}/claims.csv",
        html=report(
            "results/{scale}/claims.html",
            caption="../report/claims.rst",
            category="claims",
            labels={"what": "claims", "form": "page"},
        ),
        card="results/{scale}/cards/papers/claims.json",
        record="results/{scale}/cards/papers/claims.record.json",
    log:
        "results/{scale}/logs/gather_claims.log",
    conda:
        "../../environment.yml"
    params:
        spec=jobs.spec("gather_claims"),
        code=jobs.code("gather_claims"),
    shell:
        "python -m pipeline_steps papers.gather_claims"
        " --spec {params.spec:q} --code {params.code}"
        " --inputs claims={input.claims} claims_card={input.cards}"
        " --outputs json={output.json} csv={output.csv} html={output.html}"
        " card={output.card} record={output.record} 2> {log}"
