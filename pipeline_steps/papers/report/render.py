"""Pages and LaTeX from templates: a view holds the values, its template chooses the words.

A module that renders names its templates in `TEMPLATES`, so that an edit of one reruns it.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from pipeline_steps.papers import wording
from pipeline_steps.papers.report.latex import as_latex, raised
from pipeline_steps.papers.style import paper_name, scale_line

FOLDER = Path(__file__).parent / "templates"

# Code is between backticks, and a hyphen before a digit is a minus.
CODE, HYPHEN = re.compile("`([^`]+)`"), re.compile(r"(?<![\w)])-(?=\d)")

# Filters and functions for templates, besides their view.
FILTERS = {
    "coded": lambda text: Markup(CODE.sub(r"<code>\1</code>", str(escape(text)))),
    "minus": lambda text: HYPHEN.sub("−", text),
    "duration": wording.duration,
    "json": lambda content: json.dumps(content, indent=1),
    "p_value": wording.p_value,
    "paper_name": paper_name,
    "plain": wording.plain_number,
    "rounded": wording.rounded,
    "scale_line": scale_line,
    "signed": wording.signed,
    "short": lambda title: title.partition(":")[0],
    "upper_first": lambda text: text[:1].upper() + text[1:],
}


def render(template: str, **views: Any) -> str:
    """A page or a LaTeX table; what is put into HTML is escaped."""
    return (
        _environment(template.endswith(".tex.j2")).get_template(template).render(views)
    )


@cache
def _environment(latex: bool) -> Environment:
    # `{%` often ends a line of LaTeX, so its templates use other tags.
    tags: dict[str, Any] = {
        "block_start_string": "<%",
        "block_end_string": "%>",
        "variable_start_string": "<<",
        "variable_end_string": ">>",
        "comment_start_string": "<#",
        "comment_end_string": "#>",
    }
    environment = Environment(
        **(tags if latex else {}),
        loader=FileSystemLoader(FOLDER),
        autoescape=lambda name: bool(name and name.endswith(".html.j2")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= FILTERS | {"raised": raised, "tex": as_latex}
    environment.globals["wording"] = wording
    return environment
