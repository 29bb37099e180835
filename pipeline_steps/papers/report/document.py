"""The report as one file: pages that links turn, with nothing from outside."""

from collections.abc import Iterator, Sequence

from pipeline_steps.papers.report import front, paper, parts
from pipeline_steps.papers.report.contents import Contents, Result
from pipeline_steps.papers.report.look import CSS, SCRIPT
from pipeline_steps.papers.report.origins import anchor_of, facts_of, settings
from pipeline_steps.papers.report.parts import link, tag
from pipeline_steps.papers.spec import PrintedPaper
from pipeline_steps.papers.style import escape, paper_name

TITLE = "Four papers on adversarial robustness"
MODELS = ("defenses", "generators")


def document(contents: Contents, papers: Sequence[PrintedPaper]) -> str:
    """All pages; the first one is seen when no other is asked for."""
    scale = f"Scale {contents.scale}: {contents.scale_title}"
    pages = [
        front.page(contents, papers),
        *(paper.page(contents.of(printed.paper), printed) for printed in papers),
        models(contents),
    ]
    named = [("overview", "Overview")]
    named += [(printed.paper, paper_name(printed.paper)) for printed in papers]
    menu = parts.items(link(*printed) for printed in [*named, ("models", "Models")])
    body = "\n".join(
        [
            tag("a", "Skip to the page", class_="skip", href="#main"),
            tag(
                "header",
                tag("h1", escape(TITLE)),
                tag("p", escape(scale), class_="soft"),
                tag("nav", menu, aria_label="Pages"),
            ),
            tag("main", "\n".join(pages), id="main"),
            tag("script", SCRIPT),
        ]
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(f'{TITLE}, scale {contents.scale}')}</title>\n"
        f"<style>{CSS}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def models(contents: Contents) -> str:
    """Every network that was trained for these pages, with its settings."""
    trained = [
        result
        for result in contents.results.values()
        if result.name.partition("/")[0] in MODELS
    ]
    return tag(
        "section",
        tag("h2", "Models", id="models/title"),
        tag("p", "What was trained for these pages, by which settings and code."),
        *(_model(result) for result in sorted(trained, key=lambda result: result.name)),
        id="models",
        class_="page",
        aria_labelledby="models/title",
    )


def _model(result: Result) -> str:
    return "\n".join(
        [
            tag("h3", escape(result.name), id=anchor_of(result)),
            parts.facts([*_metrics(result), *facts_of(result)]),
            settings("Settings", result.card.spec),
        ]
    )


def _metrics(result: Result) -> Iterator[tuple[str, str]]:
    for name, value in result.card.metrics.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            shown = f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
            yield name.replace("_", " "), shown
