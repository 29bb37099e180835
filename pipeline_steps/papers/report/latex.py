"""Text as LaTeX sets it."""

import re

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


def as_latex(text: str) -> str:
    """Text as LaTeX sets it; a letter that it wouldn't know stands by its number."""

    def by_number(letter: str) -> str:
        known = letter.isprintable() and letter <= LATIN
        return letter if known else f"U+{ord(letter):04X}"

    # An empty line would end what the text stands in.
    text = re.sub(r"\s", " ", text)
    return "".join(SPECIAL.get(letter) or by_number(letter) for letter in text)


def raised(signs: list[str]) -> str:
    """Signs of footnotes behind a word."""
    return rf"\textsuperscript{{{','.join(signs)}}}" if signs else ""
