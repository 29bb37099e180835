localrules:
    make_table,
    make_figure,


for paper, pages in jobs.papers.items():

    rule:
        name:
            paper
        input:
            jobs.targets(paper),

    for page in pages:

        rule:
            name:
                f"{paper}_{page}"
            input:
                jobs.target(paper, page),


rule make_table:
    input:
        verdicts=jobs.verdicts("make_table"),
        verdict_cards=jobs.verdict_cards("make_table"),
    output:
        json="results/{scale}/papers/{paper}/{table}.json",
        csv="results/{scale}/papers/{paper}/{table}.csv",
        html=report(
            "results/{scale}/papers/{paper}/{table}.html",
            caption="../report/table.rst",
            category="{paper}",
            labels={"what": "{table}", "form": "page"},
        ),
        png=report(
            "results/{scale}/papers/{paper}/{table}.png",
            caption="../report/table.rst",
            category="{paper}",
            labels={"what": "{table}", "form": "picture"},
        ),
        tex="results/{scale}/papers/{paper}/{table}.tex",
        card="results/{scale}/cards/papers/{paper}/{table}.json",
        record="results/{scale}/cards/papers/{paper}/{table}.record.json",
    log:
        "results/{scale}/logs/make_table/{paper}/{table}.log",
    conda:
        "../../environment.yml"
    params:
        spec=jobs.spec("make_table"),
        code=jobs.code("make_table"),
    shell:
        "python -m pipeline_steps papers.make_table"
        " --spec {params.spec:q} --code {params.code}"
        " --inputs verdicts={input.verdicts} verdicts_card={input.verdict_cards}"
        " --outputs json={output.json} csv={output.csv} html={output.html} png={output.png}"
        " tex={output.tex} card={output.card} record={output.record} 2> {log}"


rule make_figure:
    input:
        panels=jobs.panels,
        panel_cards=jobs.panel_cards,
    output:
        png=report(
            "results/{scale}/papers/{paper}/{figure}.png",
            caption="../report/figure.rst",
            category="{paper}",
            labels={"what": "{figure}", "form": "picture"},
        ),
        svg="results/{scale}/papers/{paper}/{figure}.svg",
        card="results/{scale}/cards/papers/{paper}/{figure}.json",
        record="results/{scale}/cards/papers/{paper}/{figure}.record.json",
    log:
        "results/{scale}/logs/make_figure/{paper}/{figure}.log",
    conda:
        "../../environment.yml"
    params:
        spec=jobs.spec("make_figure"),
        code=jobs.code("make_figure"),
    shell:
        "python -m pipeline_steps papers.make_figure"
        " --spec {params.spec:q} --code {params.code}"
        " --inputs panels={input.panels} panels_card={input.panel_cards}"
        " --outputs png={output.png} svg={output.svg}"
        " card={output.card} record={output.record} 2> {log}"
