"""Words for results: CSV, pages, LaTeX, pictures and the terminal all use these.

Each function takes values and gives a sentence or a clause.
"""

from collections.abc import Mapping, Sequence

from pipeline_steps.evaluation.red_flags import Flag, Symptom
from pipeline_steps.evaluation.threat_relations import Reason
from pipeline_steps.papers.claim import LeftOut, Quantity, Relation, Result, Side
from pipeline_steps.papers.names import PLAIN, Names
from pipeline_steps.papers.results import (
    ENOUGH_TRAININGS,
    Cell,
    DecidedClaim,
    Finding,
    Outcome,
    Verdict,
)
from pipeline_steps.papers.spec import (
    NOT_PRINTED,
    Column,
    Missing,
    NotRun,
    Row,
    TableSpec,
)
from pipeline_steps.papers.statistics import FEW, Interval
from pipeline_steps.papers.style import paper_name, standing_in

# Numbers


def rounded(number: float, within: Interval | None = None) -> str:
    """A number in percent with as many digits as its interval lets count."""
    return f"{number:.{digits(within)}f}"


def digits(within: Interval | None) -> int:
    """Meaningful decimals: a tenth, or a hundredth where the interval is narrow."""
    return 2 if within is not None and within.high - within.low < NARROW else 1


NARROW = 0.5


def signed(difference: float) -> str:
    """A difference in points, with its sign if it has one."""
    text = f"{difference:+.1f}".replace("-", "−")
    return text if text.strip("+−") != "0.0" else "0.0"


def plain_number(number: float) -> str:
    """A number of any size, without meaningless digits."""
    return f"{number:,}" if isinstance(number, int) else f"{number:.3g}"


def p_value(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{seconds / 3600:.1f} h"


# Tables

CALIBRATED = (
    "Setting not stated: the paper leaves this attack's strength open. Ours is a choice, "
    "to be calibrated on AT and Normal Training only."
)
LOST = "printed number was lost when the paper's text was extracted"
INFERRED = f"{LOST}, and this one follows from the rest of it"


class Footnotes:
    """Letters for the notes below a table; equal notes share a letter."""

    def __init__(self, alphabet: str = "abcdefghijklmnopqrstuvwxyz") -> None:
        self.alphabet = alphabet
        self.letters: dict[str, str] = {}

    def marks(self, *sentences: str) -> list[str]:
        """The signs of these sentences, each made when it is first used."""
        for sentence in sentences:
            again, i = divmod(len(self.letters), len(self.alphabet))
            self.letters.setdefault(sentence, self.alphabet[i] * (again + 1))
        return [self.letters[sentence] for sentence in sentences]

    def mark(self, *sentences: str) -> str:
        return ",".join(self.marks(*sentences))


def title(spec: TableSpec) -> str:
    return f"{paper_name(spec.paper)}, {spec.title}"


def caution(spec: TableSpec) -> str | None:
    """What a reader must know before a difference is read."""
    if clauses := standing_in(spec):
        return (
            f"Here {' and '.join(clauses)}: the differences from the paper are not "
            "comparable, and say nothing about whether it reproduces."
        )
    if spec.scale != "paper":
        return (
            f"Measured at scale {spec.scale}, which is smaller than the paper's: a "
            "difference may come from the scale alone."
        )
    return None


def in_place_of(stand_ins: Mapping[str, str], names: Names) -> list[str]:
    """What was used in place of data sets that a paper names, a clause for each."""
    named: dict[str, list[str]] = {}
    for name, used in stand_ins.items():
        named.setdefault(used, []).append(names.dataset(name))
    return [f"{names.dataset(u)} in place of {listed(n)}" for u, n in named.items()]


def listed(parts: Sequence[str]) -> str:
    """`a`, `a and b`, or `a, b and c`."""
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def legend(rows: list[list[Cell]], measured: str, printed: str) -> str:
    """How to read a cell: which number was measured, and which is printed."""
    images = sorted({cell.images for row in rows for cell in row if cell.images})
    counted = " and ".join(f"{number:,}" for number in images) or "no"
    text = (
        f"Accuracy in percent. {measured}: measured here on {counted} test images, with "
        "its 95 % interval over the images (bootstrap; exact where fewer than "
        f"{FEW} images are right or wrong). {printed}."
    )
    seeds = {cell.seeds for row in rows for cell in row if cell.seeds}
    if seeds - {1}:
        text += " ±: the standard deviation between seeds."
    if 1 in seeds:
        whose = "Numbers without ± are" if seeds - {1} else "Each number is"
        text += f" {whose} of one training; what another seed would give is not known."
    return text


def flag(raised: Flag, names: Names = PLAIN) -> str:
    """Why a number is suspect, as a clause."""
    amount = raised.amount or 0
    if isinstance(raised.kind, Symptom):
        return _SYMPTOMS[raised.kind].format(
            share=f"{100 * amount:.0f} %", points=f"{amount:.2f} points"
        )
    here, there = (
        f"{names.threat(threat)} leaves {accuracy:.2f}"
        for threat, accuracy in zip(raised.threats, raised.accuracies, strict=True)
    )
    reason = _REASONS[raised.kind].format(steps=f"{amount:.0f}")
    return f"{here} where {there}: {reason}"


_REASONS = {
    Reason.HELPS: "an attack should not help the defense",
    Reason.FEWER: "more of the same attack should not do less",
    Reason.QUERIES: "more queries should not do less",
    Reason.MASKED: "one step does more than many, so gradients may be masked",
    Reason.WIDER: "this attack may do everything that the other may",
    Reason.CONTAINS: "the other is a part of it",
    Reason.BLIND: "an attack that sees no gradient should not do more",
    Reason.TRANSFERRED: (
        "an attack that was crafted on another network should not do more"
    ),
    Reason.SEES_MORE: "an attack that sees the inference should not do less",
    Reason.AUTOATTACK: "AutoAttack should do at least as much",
    Reason.UNSEEN: "the attack did not see what the defense optimises at inference",
    Reason.TOO_FEW: "{steps} steps were too few",
    Reason.ONE_STEP: "one step is no measure of this defense",
}
_SYMPTOMS = {
    Symptom.UNSTABLE: "the defense gives different answers to the same image",
    Symptom.NO_GRADIENT: "the loss has no gradient at {share} of the images probed",
    Symptom.UNSEEN_INFERENCE: (
        "the defense optimises at inference, and the attack does not see it"
    ),
    Symptom.PROBABILITIES: "the defense answers with probabilities, not with logits",
    Symptom.BROKEN_BLINDLY: "Square breaks {points} that gradient attacks had left",
}


def not_run(cell: Cell) -> str:
    """Why there is no measured number, as a clause."""
    return _not_run(cell.not_run) if cell.not_run else ""


def _not_run(why: NotRun) -> str:
    if why.reason:
        return why.reason
    if why.kind is Missing.INCOMPLETE:
        return f"{why.measured} of {why.columns} columns measured"
    return _MISSING.get(why.kind, "")


_MISSING = {
    Missing.NOT_PRINTED: NOT_PRINTED,
    Missing.NO_VERDICTS: "no verdicts were given",
    Missing.OTHER_IMAGES: "the columns were measured on different images",
}


def lost(cell: Cell) -> list[str]:
    """That the printed number was lost from our text of the paper, if it was."""
    return [{"lost": LOST, "inferred": INFERRED}[cell.lost]] if cell.lost else []


def contradicted(cell: Cell) -> list[str]:
    """What the paper's own row says against the printed number, if it does."""
    if cell.printed_mean is None:
        return []
    return [f"published average is not the mean of its row ({cell.printed_mean:.2f})"]


def remarks(cell: Cell) -> list[str]:
    """Everything to say about a cell, a clause each."""
    return [
        *([f"not run: {not_run(cell)}"] if cell.not_run else []),
        *(f"red flag: {flag(raised)}" for raised in cell.flags),
        *cell.notes,
        *lost(cell),
        *contradicted(cell),
    ]


def behind(cell: Cell) -> list[str]:
    """Its data sets, defenses and threats, each once."""
    return [" ".join(dict.fromkeys(run.key[i] for run in cell.runs)) for i in range(3)]


def notes(part: Row | Column) -> list[str]:
    """What to say about a whole row or column."""
    sentences = [f"Not run: {part.not_run}."] if part.not_run else []
    if isinstance(part, Column) and part.calibrated:
        sentences.append(CALIBRATED)
    return [*sentences, *filter(None, [part.note])]


def printed_doubts(part: Row | Column) -> list[str]:
    """Doubts about the printed numbers of a whole row or column."""
    return [part.doubt] if part.doubt else []


def marks(part: Row | Column, footnotes: Footnotes) -> str:
    """The letters of the notes and doubts of a whole row or column."""
    return footnotes.mark(*notes(part), *printed_doubts(part))


def cell_marks(cell: Cell, notes: Footnotes) -> tuple[str, str]:
    """The letters of a cell's red flags, and of what contradicts its printed number."""
    flags = notes.mark(*(f"Red flag: {flag(raised)}." for raised in cell.flags))
    return flags, notes.mark(*(f"The {clause}." for clause in contradicted(cell)))


def mark_all(spec: TableSpec, rows: list[list[Cell]], footnotes: Footnotes) -> None:
    """Assigns letters to all of a table's remarks, in reading order."""
    for column in spec.columns:
        marks(column, footnotes)
    for row, line in zip(spec.rows, rows, strict=True):
        marks(row, footnotes)
        for cell in line:
            cell_marks(cell, footnotes)


def decimals(number: float | None) -> str:
    return "" if number is None else f"{number:.2f}"


def printed(cell: Cell) -> str:
    """The printed number, and measured less printed."""
    if cell.published is None:
        return ""
    difference = "" if cell.difference is None else f" ({cell.difference:+.2f})"
    return f"paper {cell.published:.2f}{difference}"


def beside(cell: Cell, within: Interval, digits: int) -> list[str]:
    """The small print beside a measured number."""
    ends = [f"{within.low:.{digits}f} to {within.high:.{digits}f}"]
    return ends if cell.spread is None else [f"± {cell.spread:.2f}", *ends]


# Claims

# Up to this many comparisons of a claim are shown in full.
SHOWN = 6

SIGNS = {
    Outcome.HOLDS: "✓",
    Outcome.FAILS: "✗",
    Outcome.INCONCLUSIVE: "?",
    Outcome.NOT_RUN: "–",
}
"""Beside the words of a claim's verdict; its colour is the CSS class of the outcome."""

OUTCOMES = {
    Outcome.HOLDS: "holds",
    Outcome.FAILS: "does not hold",
    Outcome.INCONCLUSIVE: "inconclusive",
    Outcome.NOT_RUN: "not run",
}
# Of one comparison, and of several.
_COUNTED = {
    Outcome.HOLDS: ("holds", "hold"),
    Outcome.FAILS: ("does not hold", "do not hold"),
    Outcome.INCONCLUSIVE: ("is inconclusive", "are inconclusive"),
}
_TRAININGS = {1: ", one training only", 2: ", two trainings only"}
_RELATIONS: dict[Relation, str] = {
    "<": "against",
    ">": "against",
    "within": "to lie within",
}


def verdict(reached: Verdict) -> str:
    """A claim's verdict. A claim is (not) reproduced only at the papers' size and with
    enough trainings; fewer trainings are mentioned."""
    if reached.outcome is Outcome.NOT_RUN:
        return OUTCOMES[reached.outcome]
    if reached.is_reproduction:
        return "reproduced" if reached.outcome is Outcome.HOLDS else "not reproduced"
    here = ""
    if reached.outcome.is_decided and not reached.papers_size:
        here = " at this scale"
    return OUTCOMES[reached.outcome] + here + _limit(reached.trainings)


def _limit(trainings: int) -> str:
    if trainings >= ENOUGH_TRAININGS:
        return ""
    return _TRAININGS.get(trainings, ", no training only")


def detail(claim: DecidedClaim) -> str:
    """What a claim rests on, or why it was not run."""
    return claim.not_run or comparisons(claim.outcome, claim.findings)


def comparisons(outcome: Outcome, findings: Sequence[Finding]) -> str:
    """All comparisons; if there are many, a count by outcome and those that decide."""
    shown = "; ".join(map(finding, telling(outcome, findings)))
    if len(findings) <= SHOWN:
        return shown
    return f"of {len(findings)} comparisons {counted(findings)}; {shown}"


def telling(outcome: Outcome, findings: Sequence[Finding]) -> list[Finding]:
    """The comparisons to show: all if there are few, otherwise those that decide."""
    if len(findings) <= SHOWN:
        return [*findings]
    if outcome is Outcome.HOLDS:
        return [max(findings, key=lambda each: each.p or 0)]
    return [each for each in findings if each.outcome is outcome][:SHOWN]


def counted(findings: Sequence[Finding]) -> str:
    """The number of comparisons with each outcome."""
    outcomes = [each.outcome for each in findings]
    return ", ".join(
        f"{outcomes.count(kind)} {_COUNTED[kind][outcomes.count(kind) > 1]}"
        for kind in Outcome
        if kind in outcomes
    )


def lacks(left_out: LeftOut, names: Names) -> str:
    """The results that a claim needs and the scale leaves out."""
    shown = [_result(result, names) for result in left_out.results]
    return listed([*shown, *([f"{left_out.more} more"] if left_out.more else [])])


def _result(result: Result, names: Names) -> str:
    if not result.threat:
        return f"the manifold of {names.generator(result.of)}"
    under = f"{names.defense(result.of)} under {names.threat(result.threat)}"
    corrupted = f" on {names.dataset(result.dataset)}" if "." in result.dataset else ""
    return under + corrupted


def finding(
    decided: Finding, names: Names = PLAIN, decimals_shown: int | None = 2
) -> str:
    """One comparison with its numbers; without `decimals_shown`, with those that count."""
    places = digits(decided.interval) if decimals_shown is None else decimals_shown
    comparison = decided.comparison
    left = _side(comparison.left, decided.left, names, places)
    right = _side(comparison.right, decided.right, names, places)
    text = f"{left} {_RELATIONS[comparison.relation]} {right}"
    if decided.interval is None:
        return text
    if decided.paired:
        difference = decided.left - decided.right
        ends = _ends(decided.interval, f"+.{places}f")
        text += f": difference {difference:+.{places}f} {ends}"
    else:
        text += f": {_ends(decided.interval, f'.{places}f')}"
    if decided.trainings > 1:
        text += (
            f", mean over {decided.trainings} seeds, {decided.agreeing} of which agree"
        )
    return text


def _side(side: Side, value: float, names: Names, places: int) -> str:
    if side.defense:
        if side.size:
            return f"{_quantity(side, names)} {value:.3f}"
        unit = " points" if side.less else " %"
        less = f" less {_quantity(side.less, names)}" if side.less else ""
        return f"{_quantity(side, names)}{less} {value:.{places}f}{unit}"
    if side.manifold:
        metric = str(side.metric)
        shown = metric if names is PLAIN else metric.replace("_", " ")
        return f"{shown} of {names.generator(side.manifold)} {value:.2g}"
    return f"{value:g}"


def _quantity(quantity: Quantity, names: Names) -> str:
    threats = ", ".join(map(names.threat, quantity.threats))
    kind = (
        "the worst of "
        if quantity.worst_of
        else "the mean of "
        if quantity.mean_of
        else ""
    )
    home = (
        f" trained on {names.dataset(quantity.trained_on)}"
        if quantity.trained_on
        else ""
    )
    copies = len(quantity.corruptions)
    corrupted = f", the mean over {copies} corruptions" if copies else ""
    weights = f" by its {quantity.epoch} weights" if quantity.epoch else ""
    size = f"{quantity.size} of edits of " if quantity.size else ""
    defense = names.defense(str(quantity.defense))
    return f"{size}{defense}{home}{weights} under {kind}{threats}{corrupted}"


def _ends(within: Interval, form: str) -> str:
    return f"[{within.low:{form}}, {within.high:{form}}]"


# Figures

_PICTURES = {
    "accuracy_bars": "Bars of the accuracy that each defense keeps under each attack",
    "accuracy_by_budget": "Lines of accuracy falling as an attack is allowed more",
    "activation_maps": "Attacked images with maps of where each defense looks",
    "attacked_images": "Rows of images, attacked images and the magnified difference",
    "attacked_levels": "Images with, below each, what an attack on one level changed",
    "breaking_budgets": "Lines of the share of images unbroken, against the budget",
    "compared_attacks": "Images, and below them the same ones under each attack",
    "compared_defenses": "Images attacked to fool each defense, side by side",
    "decision_boundaries": "Points in the plane with the boundary that each scheme learns",
    "flow_fields": "Images, attacked images, and arrows from where pixels were fetched",
    "interpolations": "Rows of images on the way from one image to another",
    "manifold_sheet": "Images, a generator's reconstructions, errors and samples",
    "projection_errors": "A histogram of how well projected images match the originals",
    "spatial_budgets": "Lines of accuracy against spatial budget, and images beside them",
    "training_curves": "Lines of accuracy under attack over the epochs of training",
}


def picture(kind: str, panels: Sequence[str], threats: Sequence[str]) -> str:
    """A figure's alt text."""
    what = _PICTURES.get(kind, f"A figure of the kind {kind.replace('_', ' ')}")
    shown = listed([*dict.fromkeys(panels)]) if panels else ""
    under = [threat for threat in threats if threat not in shown]
    return f"{what}: {shown}{f'; under {listed(under)}' if under else ''}."
