localrules:
    make_table,
    make_figure,
    calibrate,
    check_claims,
    gather_claims,
    make_report,


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


job = jobs["make_table"]


rule make_table:
    input:
        unpack(job.inputs),
    output:
        **job.outputs
        | {
            "html": report(
                job.outputs["html"],
                caption="../report/table.rst",
                category="{paper}",
                labels={"what": "{table}", "form": "page"},
            ),
            "png": report(
                job.outputs["png"],
                caption="../report/table.rst",
                category="{paper}",
                labels={"what": "{table}", "form": "picture"},
            ),
        },
    log:
        job.log,
    conda:
        "../../environment.yml"
    resources:
        **job.resources,
    params:
        **job.params,
    shell:
        jobs["make_table"].shell


job = jobs["make_figure"]


rule make_figure:
    input:
        unpack(job.inputs),
    output:
        **job.outputs
        | {
            "png": report(
                job.outputs["png"],
                caption="../report/figure.rst",
                category="{paper}",
                labels={"what": "{figure}", "form": "picture"},
            ),
        },
    log:
        job.log,
    conda:
        "../../environment.yml"
    resources:
        **job.resources,
    params:
        **job.params,
    shell:
        jobs["make_figure"].shell


job = jobs["calibrate"]


rule calibrate:
    input:
        unpack(job.inputs),
    output:
        **job.outputs,
    log:
        job.log,
    conda:
        "../../environment.yml"
    resources:
        **job.resources,
    params:
        **job.params,
    shell:
        jobs["calibrate"].shell


job = jobs["check_claims"]


rule check_claims:
    input:
        unpack(job.inputs),
    output:
        **job.outputs,
    log:
        job.log,
    conda:
        "../../environment.yml"
    resources:
        **job.resources,
    params:
        **job.params,
    shell:
        jobs["check_claims"].shell


job = jobs["gather_claims"]


rule gather_claims:
    input:
        unpack(job.inputs),
    output:
        **job.outputs
        | {
            "html": report(
                job.outputs["html"],
                caption="../report/claims.rst",
                category="claims",
                labels={"what": "claims", "form": "page"},
            ),
        },
    log:
        job.log,
    conda:
        "../../environment.yml"
    resources:
        **job.resources,
    params:
        **job.params,
    shell:
        jobs["gather_claims"].shell


job = jobs["make_report"]


rule make_report:
    input:
        unpack(job.inputs),
    output:
        **job.outputs
        | {
            "index": report(
                job.outputs["index"],
                caption="../report/index.rst",
                category="all papers",
                labels={"what": "start here", "form": "page"},
            ),
            "html": report(
                job.outputs["html"],
                caption="../report/runs.rst",
                category="runs",
                labels={"what": "cards and run times", "form": "page"},
            ),
        },
    log:
        job.log,
    conda:
        "../../environment.yml"
    resources:
        **job.resources,
    params:
        **job.params,
    shell:
        jobs["make_report"].shell
