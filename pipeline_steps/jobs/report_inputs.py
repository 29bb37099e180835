"""Which results the pages of all papers show."""

from collections.abc import Iterator

from pipeline_steps import layout
from pipeline_steps.jobs.names import origin
from pipeline_steps.jobs.specs import Specs
from pipeline_steps.papers.panels import KINDS
from pipeline_steps.papers.spec import Run

Names = dict[str, str]


def cards_in_report(specs: Specs) -> list[str]:
    """The card of every job whose result some table, figure or claim shows."""
    scale = specs.config.name
    cards = {layout.card(rule, scale=scale, **names) for rule, names in results(specs)}
    return sorted(cards)


def results(specs: Specs) -> Iterator[tuple[str, Names]]:
    """Each result that some table, figure or claim shows: its rule and its names."""
    shown = [*_in_tables(specs), *_in_figures(specs), *_in_claims(specs)]
    yield from shown
    for _, names in shown:
        if "generator" in names:
            job = {key: names[key] for key in ("dataset", "generator")}
            yield "train_gan", job
        else:
            home, label = origin(names["dataset"], names["defense"])
            trained = specs.entries.trained_as(label)
            yield "train_defense", {"dataset": home, "defense": trained}


def _in_tables(specs: Specs) -> Iterator[tuple[str, Names]]:
    for paper, content in specs.config.papers.items():
        for page in specs.pages.chosen(paper):
            runs: list[Run] = []
            if page in content.tables:
                runs = specs.pages.table(paper, page).runs
            elif page in content.calibrations:
                runs = specs.pages.calibration(paper, page).runs
            for run in runs:
                yield "attack_defense", run_names(specs, run)


def _in_figures(specs: Specs) -> Iterator[tuple[str, Names]]:
    for paper, content in specs.config.papers.items():
        for page in specs.pages.chosen(paper):
            if page in content.figures:
                for what, names in panels(specs, paper, page):
                    rule = KINDS[what].rule
                    yield rule, names
                    if rule == "explain_defense":
                        yield "attack_defense", names


def _in_claims(specs: Specs) -> Iterator[tuple[str, Names]]:
    for claims in map(specs.claims.of, specs.claims.papers):
        for run in claims.runs:
            yield "attack_defense", run_names(specs, run)
        for run in claims.curves:
            yield "attack_snapshots", run_names(specs, run)
        for name in claims.manifolds:
            dataset, generator = name.split("/")
            names = {"dataset": dataset, "generator": generator, "split": "test"}
            yield "project_dataset", names


def panels(specs: Specs, paper: str, figure: str) -> list[tuple[str, Names]]:
    """What each panel of a figure shows, and the names of the job behind it."""
    spec = specs.pages.figure(paper, figure)
    shown: list[tuple[str, Names]] = []
    for panel in spec.panels:
        names = {"dataset": spec.used(panel)}
        if KINDS[panel.what].on_manifold:
            names |= {"generator": str(panel.manifold), "split": "test"}
        else:
            names |= {"defense": str(panel.defense), "threat": str(panel.threat)}
        shown.append((panel.what, names))
    return shown


def run_names(specs: Specs, run: Run) -> Names:
    """A run as the paths of its results name it."""
    defense = specs.pages.label(run)
    return {"dataset": run.dataset, "defense": defense, "threat": run.threat}
