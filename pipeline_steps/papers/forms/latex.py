r"""A table in LaTeX: printed and measured side by side, below them the interval.

It wants `\usepackage{booktabs,graphicx}`, and letters as any LaTeX since 2018 reads them.
"""

from collections.abc import Sequence
from itertools import groupby

from pipeline_steps.papers import wording
from pipeline_steps.papers.results import Cell
from pipeline_steps.papers.spec import Column, Missing, Row, TableSpec
from pipeline_steps.papers.style import scale_line
from pipeline_steps.papers.wording import (
    Footnotes,
    beside,
    caution,
    cell_marks,
    decimals,
    legend,
    marks,
    title,
)

GREEK = {
    "α": "alpha",
    "β": "beta",
    "γ": "gamma",
    "δ": "delta",
    "ε": "varepsilon",
    "ζ": "zeta",
    "η": "eta",
    "θ": "theta",
    "κ": "kappa",
    "λ": "lambda",
    "μ": "mu",
    "ν": "nu",
    "ξ": "xi",
    "π": "pi",
    "ρ": "rho",
    "σ": "sigma",
    "τ": "tau",
    "φ": "varphi",
    "χ": "chi",
    "ψ": "psi",
    "ω": "omega",
}
# What pdfLaTeX doesn't set by itself; letters with accents it does.
SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    "⚑": r"$\triangleright$",
    "±": r"$\pm$",
    "∞": r"$\infty$",
    "−": "$-$",
    "·": r"$\cdot$",
    "×": r"$\times$",
    "√": r"$\surd$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "≠": r"$\ne$",
    "→": r"$\to$",
    "–": "--",
    "—": "---",
    "…": r"\ldots{}",
    "¹": r"$^1$",
    "²": r"$^2$",
    "³": r"$^3$",
    "’": "'",
    **{letter: rf"$\{name}$" for letter, name in GREEK.items()},
}
LATIN = "\u017f"

# Where the numbers stand, for the legend.
LARGE, SMALL = "Right, in bold", "Left: printed in the paper"


def escape(text: str) -> str:
    """Text as LaTeX sets it; a letter that it wouldn't know stands by its number."""

    def by_number(letter: str) -> str:
        return letter if letter <= LATIN else f"U+{ord(letter):04X}"

    return "".join(SPECIAL.get(letter) or by_number(letter) for letter in text)


def as_latex(spec: TableSpec, rows: list[list[Cell]], notes: Footnotes) -> str:
    """The table as a floating one, with its footnotes inside."""
    columns = len(rows[0])
    pairs = zip(spec.rows, rows, strict=True)
    body = "\n\\addlinespace\n".join(_lines(*pair, notes) for pair in pairs)
    head = _head(spec, notes)
    below = [
        escape(text) for text in (caution(spec), legend(rows, LARGE, SMALL)) if text
    ]
    below += [
        rf"\textsuperscript{{{letter}}} {escape(text)}"
        for text, letter in notes.letters.items()
    ]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escape(f'{title(spec)} ({scale_line(spec)})')}}}",
            rf"\label{{tab:{spec.paper}-{spec.table}-{spec.scale}}}",
            r"\resizebox{\textwidth}{!}{%",
            rf"\begin{{tabular}}{{l{'rr' * columns}}}",
            r"\toprule",
            *head,
            r"\midrule",
            body,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\par\smallskip",
            r"\begin{minipage}{\textwidth}",
            r"\footnotesize",
            "\\par\n".join(below),
            r"\end{minipage}",
            r"\end{table}",
            "",
        ]
    )


def _head(spec: TableSpec, notes: Footnotes) -> list[str]:
    """The columns' names over two columns each, and over these what they are parts of."""
    names = [_raised(escape(c.name), marks(c, notes)) for c in spec.columns]
    names += [escape(spec.average)] if spec.average else []
    over = _parts(spec.columns) if any(c.part for c in spec.columns) else []
    if over and spec.average:
        over.append(("", 1))
    lines = [_line(["", *(_wide(text, 2 * n) for text, n in over)])] if over else []
    ends = (f"{2 * i + 2}-{2 * i + 3}" for i in range(len(names)))
    return [
        *lines,
        _line(["", *(_wide(name, 2) for name in names)]),
        "".join(rf"\cmidrule(lr){{{end}}}" for end in ends),
        _line(["Method", *["paper", "ours"] * len(names)]),
    ]


def _parts(columns: Sequence[Column]) -> list[tuple[str, int]]:
    parts = groupby(columns, key=lambda column: column.part or "")
    return [(escape(part), len(list(group))) for part, group in parts]


def _lines(row: Row, cells: Sequence[Cell], notes: Footnotes) -> str:
    """The numbers of a row, and below them in small what stands beside them."""
    numbers = [_raised(escape(row.label), marks(row, notes))]
    small: list[list[str]] = []
    for cell in cells:
        flags, doubts = cell_marks(cell, notes)
        numbers.append(_raised(decimals(cell.published), doubts))
        if cell.measured is None or cell.interval is None:
            numbers.append(_missing(cell, notes))
            small.append([])
        else:
            flag = r"$\triangleright$\," if flags else ""
            number = rf"{flag}\textbf{{{cell.measured:.2f}}}"
            numbers.append(_raised(number, flags))
            small.append([escape(s) for s in beside(cell, cell.interval, 1)])
    lines = [_line(numbers)]
    for i in range(max(map(len, small))):
        there = (rf"{{\scriptsize {s[i]}}}" if i < len(s) else "" for s in small)
        lines.append(_line(["", *(part for text in there for part in ("", text))]))
    return "\n".join(lines)


def _missing(cell: Cell, notes: Footnotes) -> str:
    """No number, and why, where neither the row nor the column says so already."""
    missing = cell.not_run
    if missing is None or missing.kind is Missing.NOT_PRINTED:
        return ""
    why = f"Not run: {wording.not_run(cell)}."
    return _raised("--", "" if missing.is_shared else notes.mark(why))


def _raised(text: str, letters: str) -> str:
    return text + (rf"\textsuperscript{{{letters}}}" if letters else "")


def _wide(text: str, columns: int) -> str:
    return rf"\multicolumn{{{columns}}}{{c}}{{{text}}}"


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"
