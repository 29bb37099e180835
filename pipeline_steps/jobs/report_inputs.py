"""Which results the pages of all papers show, by the names of the jobs that made them."""

from collections.abc import Iterator

from pipeline_steps.jobs.names import origin
from pipeline_steps.jobs.networks import trained
from pipeline_steps.jobs.specs import Specs
from pipeline_steps.papers.panels import KINDS
from pipeline_steps.papers.spec import Run


def shown(plan: Specs) -> list[str]:
    """Each result that some table, figure or claim shows: `verdicts/digits/at/pgd20`."""
    judged = {place(plan, run) for run in _runs(plan)}
    drawn = {
        panel
        for paper, content in plan.config.papers.items()
        for figure in plan.pages(paper)
        if figure in content.figures
        for panel in panels(plan, paper, figure)
    }
    curves, explanations, manifolds, examples = (
        {name for what, name in drawn if KINDS[what].family == family}
        for family in ("curves", "explanations", "manifolds", "verdicts")
    )
    judged |= examples | explanations
    for claims in map(plan.claims, plan.claiming):
        curves |= {place(plan, run) for run in claims.curves}
        manifolds |= set(claims.manifolds)
    judged_defenses = {name.rpartition("/")[0] for name in judged | curves}
    origins = {origin(*name.split("/", 1)) for name in judged_defenses}
    trainings = {f"{home}/{trained(plan.config, label)}" for home, label in origins}
    families = {
        "generators": manifolds,
        "manifolds": {f"{name}/test" for name in manifolds},
        "defenses": trainings,
        "verdicts": judged,
        "curves": curves,
        "explanations": explanations,
    }
    return [
        f"{family}/{name}"
        for family, names in families.items()
        for name in sorted(names)
    ]


def panels(plan: Specs, paper: str, figure: str) -> list[tuple[str, str]]:
    """What each panel of a figure shows, and the name of the job behind it."""
    spec = plan.figure(paper, figure)
    return [
        (
            panel.what,
            f"{spec.used(panel)}/{panel.manifold}"
            if KINDS[panel.what].on_manifold
            else f"{spec.used(panel)}/{panel.defense}/{panel.threat}",
        )
        for panel in spec.panels
    ]


def place(plan: Specs, run: Run) -> str:
    """A run as it stands in paths."""
    return f"{run.dataset}/{plan.label(run)}/{run.threat}"


def _runs(plan: Specs) -> Iterator[Run]:
    for paper, content in plan.config.papers.items():
        for table in plan.pages(paper):
            if table in content.tables:
                yield from plan.table(paper, table).runs
            elif table in content.calibrations:
                yield from plan.calibration(paper, table).runs
    for paper in plan.claiming:
        yield from plan.claims(paper).runs
