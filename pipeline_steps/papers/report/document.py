"""The report as one file: pages that links turn, with nothing from outside."""

from collections.abc import Iterator, Sequence

from pipeline_steps.papers.report import front, paper, parts
from pipeline_steps.papers.report.contents import Contents, Result
from pipeline_steps.papers.report.look import CSS, SCRIPT
from pipeline_steps.papers.report.origins import place_of, settings, told
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
        *(paper.page(contents.of(one.paper), one) for one in papers),
        models(contents),
    ]
    named = [("overview", "Overview")]
    named += [(one.paper, paper_name(one.paper)) for one in papers]
    menu = parts.items(link(*one) for one in [*named, ("models", "Models")])
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
        one for one in contents.results.values() if one.name.partition("/")[0] in MODELS
    ]
    return tag(
        "section",
        tag("h2", "Models", id="models/title"),
        tag("p", "What was trained for these pages, by which settings and code."),
        *(_model(one) for one in sorted(trained, key=lambda one: one.name)),
        id="models",
        class_="page",
        aria_labelledby="models/title",
    )


def _model(one: Result) -> str:
    return "\n".join(
        [
            tag("h3", escape(one.name), id=place_of(one)),
            parts.facts([*_metrics(one), *told(one)]),
            settings("Settings", one.card.spec),
        ]
    )


def _metrics(one: Result) -> Iterator[tuple[str, str]]:
    for name, value in one.card.metrics.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            shown = f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
            yield name.replace("_", " "), shown
