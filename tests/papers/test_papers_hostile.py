"""Titles, notes and names that mean harm are shown as they are written, and do nothing."""

import re
import subprocess
from html.parser import HTMLParser

import pytest

from pipeline_steps.core.registry import ROOT
from pipeline_steps.papers.report.latex import as_latex
from pipeline_steps.papers.report.render import FILTERS, FOLDER, _environment
from tests.hostile import Hostile, hostile


class Tags(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.names: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.names |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


@hostile(
    *(
        Hostile(f"`{text}` in a title or a note", "shown as text", text)
        for text in (
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            '"><svg onload=alert(1)>',
            "' onmouseover='alert(1)",
            '" onmouseover="alert(1)',
            "</td></table><iframe src=//x>",
            "<!-- ",
            "]]><script>alert(1)</script>",
            "{{ 7 * 7 }}",
            "{% include '/etc/passwd' %}",
            "&lt;script&gt;",
        )
    ),
    Hostile(
        "a script between backticks", "shown as code", "`<script>alert(1)</script>`"
    ),
)
def test_text_in_a_page_is_text(bad: Hostile) -> None:
    parts = _environment(False).get_template("parts.html.j2").module
    page = str(parts.head(bad.value, True, bad.value))
    page += str(parts.number(bad.value))
    page += str(
        _environment(False)
        .from_string(
            '{% autoescape true %}<p title="{{ x }}">{{ x|coded }}</p>'
            "<pre>{{ {'a': x}|json }}</pre>{% endautoescape %}"
        )
        .render(x=bad.value)
    )
    seen = Tags()
    seen.feed(page)
    assert set(seen.tags) <= {"th", "span", "td", "p", "pre", "code"}
    assert seen.names <= {"scope", "class", "title"}
    assert bad.value in seen.text


def test_every_page_is_escaped() -> None:
    """No template takes the escaping away, and one filter alone makes markup."""
    escapes = _environment(False).autoescape
    assert callable(escapes)
    for template in FOLDER.glob("*.html.j2"):
        assert escapes(template.name), template
        source = template.read_text(encoding="utf-8")
        assert not re.search(r"\|\s*safe|autoescape|Markup", source), template
    grep = ["git", "grep", "-c", "Markup(", "pipeline_steps"]
    done = subprocess.run(grep, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ["pipeline_steps/papers/report/render.py:1"]
    assert "<script>" not in str(FILTERS["coded"]("`<script>`"))


@hostile(
    *(
        Hostile(f"`{text}` in a title", "set as text", text)
        for text in (
            r"\input{/etc/passwd}",
            r"\write18{touch evil}",
            r"\immediate\openout",
            r"^^5cinput{x}",
            r"}\end{table}\input{x}",
            r"$\catcode`\%=12$",
            r"% the rest is gone",
            r"a & b \\ c # d _ e ~ f",
            r"\csname input\endcsname{x}",
        )
    ),
    Hostile("an empty line in a title", "a blank", "a\n\nb"),
    Hostile("a control character in a title", "its number", "a\x07b\x7f"),
)
def test_text_in_latex_is_text(bad: Hostile) -> None:
    tex = as_latex(bad.value)
    commands = set(re.findall(r"\\([A-Za-z]+)", tex))
    allowed = ("textbackslash", "textasciitilde", "textasciicircum", "textless")
    assert commands <= {*allowed, "textgreater", "textbar", "textquotedbl"}
    assert tex.isprintable()
    # Outside of the commands that were put in, no letter has a meaning of its own.
    bare = re.sub(r"\\[A-Za-z]+\{\}|\\[&%$#_{}]", "", tex)
    assert not set(bare) & set("\\{}$&#^_~%")


@pytest.mark.parametrize("letter", [chr(i) for i in range(0, 0x250)])
def test_no_letter_is_a_command_of_latex(letter: str) -> None:
    assert letter in "\t\n\r\x0b\x0c \x1c\x1d\x1e\x1f\x85\xa0" or as_latex(letter)
    assert as_latex(letter) not in set("\\{}$&#^_~%")
