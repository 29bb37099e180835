"""Chooses an attack's setting that a paper leaves open, using a few defenses."""

from typing import Any

from pipeline_steps.core.lines import write_lines
from pipeline_steps.core.progress import say
from pipeline_steps.core.step import Job, run
from pipeline_steps.papers.calibration import Fit, complaint, fits, verdict
from pipeline_steps.papers.report.render import render
from pipeline_steps.papers.spec import CalibrationSpec
from pipeline_steps.papers.statistics import read_outcomes
from pipeline_steps.papers.style import paper_name, scale_line, standing_in

TEMPLATES = ("report/templates/calibration.html.j2",)


def main(job: Job[CalibrationSpec]) -> dict[str, Any]:
    """Every candidate with its distance, the closest first."""
    spec = job.spec
    files = job.all_verified("verdicts", "verdicts")
    ranked = fits(spec, read_outcomes(spec.runs, files))
    lines = [record(spec, fit) for fit in ranked]
    write_lines(job.output("csv"), [*lines[0]], lines)
    job.output("html").write_text(as_page(spec, ranked), encoding="utf-8")
    wrong = complaint(spec, ranked)
    if wrong and comparable(spec):
        say(wrong)
    return {
        "closest": ranked[0].candidate.threat,
        "distance": round(ranked[0].distance, 4),
        "explains": ranked[0].within,
        "frozen": spec.frozen,
        "agrees": wrong is None,
    }


def comparable(spec: CalibrationSpec) -> bool:
    """Whether the result says anything about the paper."""
    return spec.scale == "paper" and not standing_in(spec)


def record(spec: CalibrationSpec, fit: Fit) -> dict[str, Any]:
    """A candidate as one line of the tidy file."""
    measured = {f"{name}": f"{fit.accuracies[name]:.2f}" for name in spec.targets}
    printed = {
        f"{name}_published": f"{spec.targets[name]:.2f}" for name in spec.targets
    }
    return {
        "scale": spec.scale,
        **fit.candidate.model_dump(),
        **measured,
        **printed,
        "distance": f"{fit.distance:.2f}",
        "within": fit.within,
        "frozen": fit.candidate.threat == spec.frozen,
    }


def as_page(spec: CalibrationSpec, ranked: list[Fit]) -> str:
    """The choice as a page."""
    return render(
        "calibration.html.j2",
        title=f"{paper_name(spec.paper)}, {spec.title}",
        scale=scale_line(spec),
        spec=spec,
        fits=ranked,
        verdict=verdict(spec, ranked),
        warnings=[*filter(None, [_caution(spec), complaint(spec, ranked)])],
    )


def _caution(spec: CalibrationSpec) -> str | None:
    if comparable(spec):
        return None
    return (
        "Not at the paper's size and on its data: nothing may be frozen by this page."
    )


if __name__ == "__main__":
    run("papers.calibrate", CalibrationSpec, main)
