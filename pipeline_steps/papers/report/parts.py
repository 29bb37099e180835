"""Pieces of a page: tags, tables that sort, and boxes that open beside a number."""

from collections.abc import Iterable, Sequence

from pipeline_steps.papers.style import escape

Fact = tuple[str, str]

# Said to those who hear the page, not shown.
HIDDEN = "hidden-text"


def tag(name: str, *content: str, **attributes: str | int | bool) -> str:
    """An element around HTML; `class_` is the attribute class, `data_x` is data-x."""
    text = "".join(
        f" {key.rstrip('_').replace('_', '-')}"
        + ("" if value is True else f'="{escape(str(value))}"')
        for key, value in attributes.items()
        if value is not False
    )
    return f"<{name}{text}>{''.join(content)}</{name}>"


def short(title: str) -> str:
    """A title's first words: `Table 1`."""
    return title.partition(":")[0]


def link(target: str, text: str) -> str:
    """To another place of the same page."""
    return tag("a", escape(text), href=f"#{target}")


def code(text: str) -> str:
    return tag("code", escape(text))


def hidden(text: str) -> str:
    return tag("span", escape(text), class_=HIDDEN)


def items(lines: Iterable[str]) -> str:
    """A list, or nothing where there is nothing to list."""
    made = "\n".join(tag("li", line) for line in lines)
    return tag("ul", made) if made else ""


def facts(pairs: Iterable[Fact]) -> str:
    """Names with what is to be said of each, as HTML; what is empty is left out."""
    lines = (tag("dt", escape(k)) + tag("dd", v) for k, v in pairs if v)
    return tag("dl", "\n".join(lines))


def details(summary: str, *content: str) -> str:
    return tag("details", tag("summary", escape(summary)), *content)


def opener(anchor: str, shown: str, spoken: str) -> str:
    """A button that opens the box of this name; browsers do so without any script."""
    return tag(
        "button",
        shown,
        hidden(spoken),
        type="button",
        class_="why",
        popovertarget=anchor,
    )


def box(anchor: str, title: str, *content: str) -> str:
    """What a button opens; Escape closes it, and focus goes back to the button."""
    close = tag(
        "button",
        "Close",
        type="button",
        popovertarget=anchor,
        popovertargetaction="hide",
    )
    return tag(
        "div",
        tag("h4", escape(title), id=f"{anchor}-title"),
        *content,
        tag("p", close),
        id=anchor,
        popover=True,
        role="dialog",
        tabindex=-1,
        autofocus=True,
        aria_labelledby=f"{anchor}-title",
    )


def head(name: str, number: bool = False, after: str = "") -> str:
    """The head of a column; what stands `after` the name is no part of its button."""
    kind = "number" if number else "text"
    shown = tag("span", name, class_="name")
    return tag("th", shown, after, scope="col", class_=kind)


def row_head(content: str, anchor: str = "") -> str:
    return tag("th", content, scope="row", **({"id": anchor} if anchor else {}))


def number(shown: str, value: float | None = None, anchor: str = "") -> str:
    """A cell of numbers; by its value the column is sorted."""
    known = {} if value is None else {"data_value": f"{value:.6g}"}
    named = {"id": anchor} if anchor else {}
    return tag("td", shown, class_="number", **known, **named)


def table(
    anchor: str, caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]]
) -> str:
    """A table that the heads of its columns sort, and that scrolls in its own room.

    Heads are made by `head`; cells are HTML, or cells already.
    """
    body = "\n".join(
        tag("tr", *(c if c.startswith(("<td", "<th")) else tag("td", c) for c in row))
        for row in rows
    )
    caption_tag = tag("caption", caption, id=f"{anchor}-caption")
    made = (
        f"{caption_tag}\n<thead>{tag('tr', *heads)}</thead>\n<tbody>\n{body}\n</tbody>"
    )
    return tag(
        "div",
        tag("table", made, class_="sorts"),
        class_="wide",
        role="region",
        tabindex=0,
        aria_labelledby=f"{anchor}-caption",
    )


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{seconds / 3600:.1f} h"
