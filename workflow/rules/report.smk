localrules:
    make_report,


# The step finds the cards behind the pages itself: all of them outgrow a command line.
rule make_report:
    input:
        tables=jobs.made("tables", "results/{scale}/papers/{page}.json"),
        table_cards=jobs.made("tables", "results/{scale}/cards/papers/{page}.json"),
        figures=jobs.made("figures", "results/{scale}/papers/{page}.png"),
        figure_cards=jobs.made("figures", "results/{scale}/cards/papers/{page}.json"),
        claims="results/{scale}/claims.json",
        claims_card="results/{scale}/cards/papers/claims.json",
        cards=jobs.all_cards,
    output:
        index=report(
            "results/{scale}/index.html",
            caption="../report/index.rst",
            category="all papers",
            labels={"what": "start here", "form": "page"},
        ),
        csv="results/{scale}/runs.csv",
        html=report(
            "results/{scale}/runs.html",
            caption="../report/runs.rst",
            category="runs",
            labels={"what": "cards and run times", "form": "page"},
        ),
        summary="results/{scale}/summary.json",
    log:
        "results/{scale}/logs/make_report.log",
    conda:
        "../../environment.yml"
    params:
        spec=jobs.spec("make_report"),
        code=jobs.code("make_report"),
    shell:
        "python -m pipeline_steps papers.make_report"
        " --spec {params.spec:q} --code {params.code}"
        " --inputs tables={input.tables} tables_card={input.table_cards}"
        " figures={input.figures} figures_card={input.figure_cards}"
        " claims={input.claims} claims_card={input.claims_card}"
        " --outputs index={output.index} csv={output.csv} html={output.html}"
        " summary={output.summary} 2> {log}"
