"""Words for what came out: a function for each thing, the same words in every form.

Each takes values and gives a sentence or a clause; CSV, pages, LaTeX, pictures and the
terminal all ask here.
"""

from collections.abc import Sequence

from pipeline_steps.evaluation.red_flags import Flag, Symptom
from pipeline_steps.evaluation.threat_relations import Reason
from pipeline_steps.papers.claim import Quantity, Relation, Side
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

# Tables

CALIBRATED = (
    "Setting not stated: the paper leaves this attack's strength open, and ours is a "
    "choice, to be calibrated on AT and Normal Training alone."
)
LOST = "printed number was lost where the paper's text was read"
INFERRED = f"{LOST}, and this one follows from elsewhere in it"


class Footnotes:
    """Letters for what is said below a table; the same words share a letter."""

    def __init__(self) -> None:
        self.letters: dict[str, str] = {}

    def mark(self, *sentences: str) -> str:
        """The letters of these sentences, each made when it is first asked for."""
        for sentence in sentences:
            i = len(self.letters)
            letter = "abcdefghijklmnopqrstuvwxyz"[i % 26] * (i // 26 + 1)
            self.letters.setdefault(sentence, letter)
        return ",".join(self.letters[sentence] for sentence in sentences)


def title(spec: TableSpec) -> str:
    return f"{paper_name(spec.paper)}, {spec.title}"


def caution(spec: TableSpec) -> str | None:
    """What a reader must know before a difference is read."""
    if clauses := standing_in(spec):
        return (
            f"Here {' and '.join(clauses)}: the differences from the paper are not "
            "comparable, and say nothing of whether it reproduces."
        )
    if spec.scale != "paper":
        return (
            f"Measured at scale {spec.scale}, which is smaller than the paper's: a "
            "difference may come of the scale alone."
        )
    return None


def legend(rows: list[list[Cell]], measured: str, printed: str) -> str:
    """How a cell is to be read: where stands what was measured, and what is printed."""
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


def flag(raised: Flag) -> str:
    """Why a number is suspect, as a clause."""
    amount = raised.amount or 0
    if isinstance(raised.kind, Symptom):
        return _SYMPTOMS[raised.kind].format(
            share=f"{100 * amount:.0f} %", points=f"{amount:.2f} points"
        )
    here, there = (
        f"{threat} leaves {accuracy:.2f}"
        for threat, accuracy in zip(raised.threats, raised.accuracies, strict=True)
    )
    reason = _REASONS[raised.kind].format(steps=f"{amount:.0f}")
    return f"{here} where {there}: {reason}"


_REASONS = {
    Reason.HELPS: "an attack should not help the defense",
    Reason.FEWER: "more of the same attack should not do less",
    Reason.QUERIES: "more queries should not do less",
    Reason.MASKED: "one step does more than many, so gradients may be masked",
    Reason.WIDER: "all that the other may do, this may do too",
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
    Symptom.UNSTABLE: "the defense answers differently when asked twice",
    Symptom.NO_GRADIENT: "the loss has no gradient at {share} of the images probed",
    Symptom.UNSEEN_INFERENCE: (
        "the defense optimises when asked, and the attack does not see it"
    ),
    Symptom.PROBABILITIES: "the defense answers with probabilities, not with logits",
    Symptom.BROKEN_BLINDLY: (
        "Square breaks {points} that attacks with gradients had left"
    ),
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
    """All that is to be said of a cell, a clause each."""
    return [
        *([f"not run: {not_run(cell)}"] if cell.not_run else []),
        *(f"red flag: {flag(raised)}" for raised in cell.flags),
        *cell.notes,
        *lost(cell),
        *contradicted(cell),
    ]


def source(cell: Cell) -> str:
    """Which defense under which threat on which data set."""
    dataset, defense, threat = behind(cell)
    return f"{defense} under {threat} on {dataset}"


def behind(cell: Cell) -> list[str]:
    """Its data sets, defenses and threats, each once."""
    return [" ".join(dict.fromkeys(run.key[i] for run in cell.runs)) for i in range(3)]


def marks(part: Row | Column, notes: Footnotes) -> str:
    """The letters of what is to be said of a whole row or column."""
    sentences = [f"Not run: {part.not_run}."] if part.not_run else []
    if isinstance(part, Column) and part.calibrated:
        sentences.append(CALIBRATED)
    return notes.mark(*sentences, *filter(None, [part.note]))


def cell_marks(cell: Cell, notes: Footnotes) -> tuple[str, str]:
    """The letters of a cell's red flags, and of what contradicts its printed number."""
    flags = notes.mark(*(f"Red flag: {flag(raised)}." for raised in cell.flags))
    return flags, notes.mark(*(f"The {clause}." for clause in contradicted(cell)))


def decimals(number: float | None) -> str:
    return "" if number is None else f"{number:.2f}"


def printed(cell: Cell) -> str:
    """The printed number, and measured less printed."""
    if cell.published is None:
        return ""
    difference = "" if cell.difference is None else f" ({cell.difference:+.2f})"
    return f"paper {cell.published:.2f}{difference}"


def beside(cell: Cell, within: Interval, digits: int) -> list[str]:
    """What stands small beside a measured number."""
    ends = [f"{within.low:.{digits}f} to {within.high:.{digits}f}"]
    return ends if cell.spread is None else [f"± {cell.spread:.2f}", *ends]


# Claims

# So many comparisons of a claim are told in full.
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
    """A claim's verdict: only at the papers' size, and of enough trainings, is a claim
    reproduced or not; of fewer trainings this is said."""
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
    """All comparisons, or of many how many came out how, and those that decide."""
    if len(findings) <= SHOWN:
        return "; ".join(map(finding, findings))
    deciding = [each for each in findings if each.outcome is outcome]
    if outcome is Outcome.HOLDS:
        deciding = [max(findings, key=lambda each: each.p or 0)]
    outcomes = [each.outcome for each in findings]
    counts = ", ".join(
        f"{outcomes.count(kind)} {_COUNTED[kind][outcomes.count(kind) > 1]}"
        for kind in Outcome
        if kind in outcomes
    )
    shown = "; ".join(map(finding, deciding[:SHOWN]))
    return f"of {len(findings)} comparisons {counts}; {shown}"


def finding(decided: Finding) -> str:
    """One comparison with its numbers."""
    comparison = decided.comparison
    left = _side(comparison.left, decided.left)
    right = _side(comparison.right, decided.right)
    text = f"{left} {_RELATIONS[comparison.relation]} {right}"
    if decided.interval is None:
        return text
    if decided.paired:
        difference = decided.left - decided.right
        text += f": difference {difference:+.2f} {_ends(decided.interval, '+')}"
    else:
        text += f": {_ends(decided.interval)}"
    if decided.trainings > 1:
        text += (
            f", mean over {decided.trainings} seeds, of which {decided.agreeing} agree"
        )
    return text


def _side(side: Side, value: float) -> str:
    if side.defense:
        if side.size:
            return f"{_quantity(side)} {value:.3f}"
        unit = " points" if side.less else " %"
        less = f" less {_quantity(side.less)}" if side.less else ""
        return f"{_quantity(side)}{less} {value:.2f}{unit}"
    if side.manifold:
        return f"{side.metric} of {side.manifold} {value:.2g}"
    return f"{value:g}"


def _quantity(quantity: Quantity) -> str:
    threats = ", ".join(quantity.threats)
    kind = (
        "the worst of "
        if quantity.worst_of
        else "the mean of "
        if quantity.mean_of
        else ""
    )
    home = f" trained on {quantity.trained_on}" if quantity.trained_on else ""
    copies = len(quantity.corruptions)
    corrupted = f", the mean over {copies} corruptions" if copies else ""
    weights = f" by its {quantity.epoch} weights" if quantity.epoch else ""
    size = f"{quantity.size} of edits of " if quantity.size else ""
    return f"{size}{quantity.defense}{home}{weights} under {kind}{threats}{corrupted}"


def _ends(within: Interval, sign: str = "") -> str:
    return f"[{within.low:{sign}.2f}, {within.high:{sign}.2f}]"
