"""A report of made-up results, and what it is made of."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import papers_house as house
from papers_house import step

from pipeline_steps.core.card import Card, file_facts
from pipeline_steps.core.files import write_json
from pipeline_steps.papers import make_figure, make_report, make_table
from pipeline_steps.papers.report.contents import (
    Contents,
    Figure,
    Result,
    Table,
    behind,
)
from pipeline_steps.papers.report.spec import OverviewSpec
from pipeline_steps.papers.report.view import Report, report_view
from pipeline_steps.papers.results import (
    DecidedClaim,
    DecidedClaims,
    Finding,
    write_results,
)
from pipeline_steps.papers.spec import FigureSpec, TableSpec

SCALE = {"scale": "demo", "scale_title": "toy <size>"}
THREATS = {"clean": 90, "pgd20": 40, "pgd100": 20, "jsa50": 15}
RUNS = [(d, t, s) for d in ("at", "ijsat") for t in THREATS for s in (0, 1)]


def label(defense: str, seed: int) -> str:
    return f"{defense}@{seed}" if seed else defense


def accuracy(defense: str, threat: str, seed: int) -> float:
    ahead = 10 if (defense, threat) == ("ijsat", "jsa50") else 0
    return float(THREATS[threat] + seed + ahead)


def write_card(
    name: str, spec: dict[str, Any], outputs: dict[str, Path], **more: Any
) -> Path:
    path = Path("results/demo/cards") / f"{name}.json"
    inputs = {k: [file_facts(p) for p in v] for k, v in more.get("inputs", {}).items()}
    facts = {role: file_facts(file) for role, file in outputs.items()}
    step = f"{name.split('/')[0]}.made"
    made = Card(
        step, spec, {"digest": "c" * 64}, inputs, facts, more.get("metrics", {})
    )
    made.seen_from(path.parent).write(path)
    return path


def verdicts(defense: str, threat: str, seed: int) -> tuple[Path, Path]:
    """A file of verdicts and its card, of a model that has a card and a record."""
    name = f"digits/{label(defense, seed)}"
    weights = Path(f"results/demo/checkpoints/defenses/{name}.safetensors")
    weights.parent.mkdir(parents=True, exist_ok=True)
    weights.write_bytes(b"weights")
    metrics = {"parameters": 66410, "loss": 0.64029}
    outputs = {"weights": weights}
    model = write_card(f"defenses/{name}", {"seed": seed}, outputs, metrics=metrics)
    record = {"machine": "node7", "device": "cpu", "seconds": 7260.0}
    write_json(model.with_suffix(".record.json"), record | {"peak_memory_mb": 5})
    path = Path(f"results/demo/verdicts/{name}/{threat}.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    right = np.arange(100) < accuracy(defense, threat, seed)
    pd.DataFrame({"image": range(100), "correct": right}).to_parquet(path)
    spec = {"seed": seed, "threat": house.threat(threat)}
    card = write_card(
        f"verdicts/{name}/{threat}",
        spec,
        {"verdicts": path},
        inputs={"weights_card": [model]},
        metrics={"accuracy": accuracy(defense, threat, seed), "images": 100},
    )
    return path, card


def page_of(name: str, *forms: str) -> dict[str, Path]:
    made = {form: Path(f"results/demo/papers/ijsat/{name}.{form}") for form in forms}
    return made | {"card": Path(f"results/demo/cards/papers/ijsat/{name}.json")}


TABLE = {
    "paper": "ijsat",
    "table": "table1",
    "title": "Table 1: accuracy",
    "dataset": "cifar10",
    "stand_ins": {"cifar10": "digits"},
    "average": "Avg",
    "columns": [
        {"name": "Standard", "threat": "clean"},
        {"name": "PGD-20", "part": "White box", "threat": "pgd20", "calibrated": True},
        {"name": "Worst", "worst_of": ["pgd20", "pgd100"], "note": "it <says> `at`"},
        {"name": "JSA-50", "threat": "jsa50"},
    ],
    "rows": [
        {
            "name": "AT",
            "part": "Net",
            "defense": "at",
            "published": [84.0, 50.0, 45.0, 40.0],
        },
        {
            "name": "Ours",
            "defense": "ijsat",
            "published": [83.0, 53.0, None, 45.0],
            "doubt": "54 elsewhere",
        },
        {
            "name": "Gain",
            "difference": ["Ours", "AT"],
            "published": [-1.0, 3.0, 1.0, 5.0],
        },
        {
            **{"name": "Else", "published": [1.0, 2.0, 3.0, 4.0]},
            **{"published_average": 9.0, "not_run": "nothing; at all"},
        },
    ],
}


def table_step(
    asked: list[dict[str, Any]], files: list[Path], cards: list[Path]
) -> None:
    spec = TableSpec.model_validate(TABLE | SCALE | {"runs": asked})
    inputs = {"verdicts": files, "verdicts_card": cards}
    forms = ("json", "csv", "html", "png", "tex")
    step(make_table, spec, inputs, page_of("table1", *forms))


def figure_step() -> None:
    errors = Path("results/demo/errors.parquet")
    errors.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({"psnr": [21.0, 25.5, 30.0]}).to_parquet(errors)
    card = write_card("manifolds/digits/glow/test", {}, {"errors": errors})
    content = {
        "figure": {"figure": "projection_errors"},
        "panels": [{"label": "glow", "what": "distances", "manifold": "glow"}],
        **{"paper": "ijsat", "name": "figure1", "title": 'Figure 1: "how" far'},
        **{"dataset": "digits", "stands_for": "cifar10"},
    }
    spec = FigureSpec.model_validate(content | SCALE)
    inputs = {"panels": [errors], "panels_card": [card]}
    step(make_figure, spec, inputs, page_of("figure1", "png", "svg"))


FINDING = Finding.model_validate(
    {
        "comparison": {
            "left": {"defense": "ijsat", "threat": "pgd20"},
            "relation": ">",
            "right": {"number": 50},
        },
        **{"left": 60.0, "right": 50.0, "outcome": "holds", "interval": [55, 65]},
    }
)
CLAIMS = [
    DecidedClaim.model_validate(
        {"paper": "ijsat", "claim": name, "place": "Table 1", "says": f"it <{name}>"}
        | {"findings": [FINDING], "papers_size": False, **more}
    )
    for name, more in {
        "one": {"ours": False, "outcome": "holds", "trainings": 1, "p": 0.001},
        "two": {"ours": True, "outcome": "does_not_hold", "trainings": 3, "p": 0.03},
        "three": {"ours": False, "outcome": "not_run"},
        "four": {"ours": False, "outcome": "inconclusive", "trainings": 1, "p": 0.73},
    }.items()
]


def overview() -> OverviewSpec:
    numbers = {"numbers": 15, "published_only": 4}
    tables = [
        {"name": "table1", "title": "Table 1: accuracy", "made": True, **numbers},
        {"name": "table2", "title": "Table 2: more", "made": False, "numbers": 7},
    ]
    figures = [{"name": "figure1", "title": "Figure 1", "made": True}]
    known = {"title": "A <title>", "authors": "Some & others"}
    papers = [
        {"paper": "ijsat", **known, "tables": tables, "figures": figures},
        {"paper": "jat", **known, "tables": [], "figures": []},
    ]
    names = {
        "datasets": {"digits": "the digits", "cifar10": "CIFAR-10"},
        "defenses": {"at": "AT", "ijsat": "IJSAT"},
        "threats": {"clean": "no attack", "pgd20": "PGD-20", "jsa50": "JSA-50"},
    }
    left_out = {
        "three": {"results": [("verdicts", "digits", "at", "jsa50")], "more": 2}
    }
    about = {"papers": papers, "names": names, "left_out": left_out}
    return OverviewSpec.model_validate(SCALE | about)


def make() -> Path:
    """A report of one table, one figure and four claims, in the folder of today."""
    made = [verdicts(*one) for one in RUNS]
    files, cards = [one[0] for one in made], [one[1] for one in made]
    names = ("defense", "threat", "seed")
    asked = [dict(zip(names, one, strict=True)) for one in RUNS]
    table_step([one | {"dataset": "digits"} for one in asked], files, cards)
    figure_step()
    claims = Path("results/demo/claims.json")
    write_results(claims, DecidedClaims(claims=CLAIMS))
    claims_card = write_card("papers/claims", {}, {"json": claims})
    place = "results/demo/{}papers/ijsat/{}"
    inputs = {
        "tables": [Path(place.format("", "table1.json"))],
        "tables_card": [Path(place.format("cards/", "table1.json"))],
        "figures": [Path(place.format("", "figure1.png"))],
        "figures_card": [Path(place.format("cards/", "figure1.json"))],
        "claims": [claims],
        "claims_card": [claims_card],
    }
    names = {"index": "index.html", "csv": "runs.csv", "html": "runs.html"}
    outputs = {k: Path(f"results/demo/{v}") for k, v in names.items()}
    outputs["summary"] = Path("results/demo/summary.json")
    step(make_report, overview(), inputs, outputs)
    return outputs["index"]


def view() -> Report:
    """The same report as its templates see it."""
    folder, cards = Path("results/demo/papers/ijsat"), Path("results/demo/cards")
    pages = [cards / f"papers/ijsat/{name}.json" for name in ("table1", "figure1")]
    table, figure = map(Result.read, pages)
    contents = Contents(
        scale="demo",
        scale_title="toy",
        tables=[Table(folder / "table1.json", table)],
        figures=[Figure(folder / "figure1.png", figure)],
        claims=CLAIMS,
        results={path: Result.read(path) for path in behind(pages)},
    )
    return report_view(contents, overview())
