"""The chain behind a result is told from cards alone, and says what changed since."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline_steps.core.card import Card, code_facts, file_facts
from pipeline_steps.core.digest import code
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.files import write_json
from pipeline_steps.core.registry import ROOT
from pipeline_steps.evaluation.red_flags import Flag
from pipeline_steps.evaluation.threat_relations import Reason
from pipeline_steps.papers.results import Cell, MeasuredTable, write_results
from pipeline_steps.papers.spec import Missing, NotRun, TableSpec
from pipeline_steps.release.why import _named, explain
from pipeline_steps.release.why_text import branch, heading, plain, show

CARDS = Path("results/demo/cards")
TABLE = "results/demo/papers/ijsat/table1.csv"
RESULTS = "results/demo/papers/ijsat/table1.json"
WEIGHTS = "results/demo/checkpoints/defenses/digits/{}.safetensors"


Runs = list[tuple[str, str, int]]
RUNS: Runs = [
    ("at", "clean", 0),
    ("at", "clean", 1),
    ("at", "pgd20", 0),
    ("at", "pgd20", 1),
    ("ijsat", "clean", 0),
    ("ijsat", "pgd20", 0),
]
DEFENSES = ("at", "at@1", "ijsat")
RECORD = {
    "machine": "node7",
    "device": "cpu",
    "seconds": 40.25,
    "started": "2026-01-02T03:04:05Z",
    "revision": "abc123",
}


def label(defense: str, seed: int) -> str:
    return f"{defense}@{seed}" if seed else defense


def runs_of(defense: str, *threats: str) -> Runs:
    return [run for run in RUNS if run[0] == defense and run[1] in threats]


def table_cell(method: str, column: str, runs: Runs, **facts: Any) -> Cell:
    """A cell with its files of verdicts as they lie from the table."""
    judged = [
        {
            **{"dataset": "digits", "defense": d, "threat": t, "seed": s},
            "file": f"../../verdicts/digits/{label(d, s)}/{t}.parquet",
            "card": f"../../cards/verdicts/digits/{label(d, s)}/{t}.json",
        }
        for d, t, s in runs
    ]
    content = {"published": 1.0, "runs": judged} | facts
    return Cell.model_validate(content | {"method": method, "column": column})


FLAG = Flag(kind=Reason.HELPS, threats=("pgd20", "clean"), accuracies=(74.95, 60))
NO_ATTACK = NotRun(kind=Missing.COLUMN, reason="no attack")


def table_cells() -> list[list[Cell]]:
    at, ours = "AT", "Ours, mixed"
    pgd20 = {
        **{"published": 49.85, "measured": 74.951, "interval": (71.24, 78.48)},
        **{"images": 539, "seeds": 2, "flags": (FLAG,), "notes": ("a; note",)},
    }
    return [
        [
            table_cell(at, "Standard", runs_of("at", "clean"), measured=97.96),
            table_cell(at, "PGD-20", runs_of("at", "pgd20"), **pgd20),
            table_cell(at, "AA", [], not_run=NO_ATTACK),
            table_cell(at, "Avg", runs_of("at", "clean", "pgd20"), measured=86.46),
        ],
        [
            table_cell(ours, "Standard", runs_of("ijsat", "clean"), measured=97.40),
            table_cell(ours, "PGD-20", runs_of("ijsat", "pgd20"), measured=75.70),
            table_cell(ours, "AA", [], not_run=NO_ATTACK),
        ],
    ]


def write_table(path: Path, spec: TableSpec, cells: list[list[Cell]]) -> None:
    write_results(path.with_suffix(".json"), MeasuredTable(spec=spec, cells=cells))
    path.write_text("for people")


class Toy:
    """A project of five small steps, with a card of each result and no large file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.source("core/rng.py", "SEED = 1")
        self.source("datasets/build_dataset.py", "from pipeline_steps.core import rng")
        self.source("defenses/train_defense.py", "from pipeline_steps.core import rng")
        self.source("defenses/recipes/at.py", "import torch\n\nclass At: ...")
        self.source("evaluation/attack_defense.py", "import numpy")
        self.source("papers/make_table.py", "import csv")
        for name in (".", "core", "datasets", "defenses", "evaluation", "papers"):
            self.source(f"{name}/__init__.py", "")
        self.cards()

    def source(self, file: str, text: str) -> None:
        path = self.root / "pipeline_steps" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def cards(self) -> None:
        data = self.card(
            "data/cards/digits.json",
            "datasets.build_dataset",
            {"dataset": {"name": "digits", "size": 16}},
            {},
            {"test_images": "data/digits/test.images.npy"},
        )
        verdicts = [self.verdicts(data, *run) for run in RUNS]
        table = self.root / TABLE
        table.parent.mkdir(parents=True)
        spec = table_spec()
        write_table(table, spec, table_cells())
        self.card(
            f"{CARDS}/papers/ijsat/table1.json",
            "papers.make_table",
            spec.model_dump(mode="json"),
            {"verdicts_card": verdicts},
            {"csv": TABLE, "json": RESULTS},
        )

    def verdicts(self, data: str, defense: str, threat: str, seed: int) -> str:
        name = label(defense, seed)
        spec: dict[str, Any] = {"recipe": {"recipe": "at", "steps": 10}, "seed": seed}
        inputs = {"images_card": [data], "labels_card": [data]}
        place = f"{CARDS}/defenses/digits/{name}.json"
        if not (self.root / place).exists():
            outputs = {"weights": WEIGHTS.format(name)}
            self.card(place, "defenses.train_defense", spec, inputs, outputs)
            write_json((self.root / place).with_suffix(".record.json"), RECORD)
        return self.card(
            f"{CARDS}/verdicts/digits/{name}/{threat}.json",
            "evaluation.attack_defense",
            {"threat": {"steps": 20}, "seed": seed},
            {"weights_card": [place], **inputs},
            {"verdicts": f"results/demo/verdicts/digits/{name}/{threat}.parquet"},
        )

    def card(
        self,
        place: str,
        step: str,
        spec: dict[str, Any],
        inputs: dict[str, list[str]],
        outputs: dict[str, str],
    ) -> str:
        told = {
            name: [file_facts(self.root / file) for file in files]
            for name, files in inputs.items()
        }
        made: dict[str, dict[str, Any]] = {
            role: file_facts(self.root / file)
            if (self.root / file).is_file()
            else {"file": str(self.root / file), "sha256": "ab" * 32, "bytes": 4}
            for role, file in outputs.items()
        }
        facts = code_facts(code(step, spec, self.root))
        path = self.root / place
        Card(step, spec, facts, told, made).seen_from(path.parent).write(path)
        return place

    def why(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "pipeline_steps.cli", "why", *arguments],
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"},
        )

    def told(self, *arguments: str) -> dict[str, Any]:
        done = self.why(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def table_spec(**changes: Any) -> TableSpec:
    columns = [("Standard", "clean"), ("PGD-20", "pgd20"), ("AA", None)]
    rows = [("AT", "at"), ("Ours, mixed", "ijsat")]
    runs = [{"defense": d, "threat": t, "seed": s} for d, t, s in RUNS]
    content = {
        **{"paper": "ijsat", "table": "table1", "title": "Table 1"},
        **{"scale": "demo", "scale_title": "toy", "stand_ins": {}},
        "average": "Avg",
        "dataset": "digits",
        "columns": [{"name": n, "threat": t} for n, t in columns],
        "rows": [{"name": n, "defense": d, "published": [1, 1, 1]} for n, d in rows],
        "runs": [run | {"dataset": "digits"} for run in runs],
    }
    return TableSpec.model_validate(content | changes)


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path / "project")


def cards_of(told: dict[str, Any]) -> list[str]:
    return [step["card"] for step in told["steps"]]


def step_named(told: dict[str, Any], card: str) -> dict[str, Any]:
    return next(step for step in told["steps"] if step["card"].endswith(card))


def text(told: dict[str, Any]) -> str:
    return "\n".join([*heading(told), *plain(branch(told))])


@pytest.mark.parametrize(
    "what",
    [
        WEIGHTS.format("at"),
        f"{CARDS}/defenses/digits/at.json",
        f"{CARDS}/defenses/digits/at.record.json",
        "./results/demo/papers/../checkpoints/defenses/digits/at.safetensors",
    ],
)
def test_a_checkpoint_is_explained_whatever_names_it(toy: Toy, what: str) -> None:
    told = explain(toy.root, what)
    assert cards_of(told) == [
        f"{CARDS}/defenses/digits/at.json",
        "data/cards/digits.json",
    ]
    trained = told["steps"][0]
    assert trained["seed"] == 0
    assert trained["settings"]["recipe"] == {"recipe": "at", "steps": 10}
    assert trained["outputs"][0]["state"] == "not here"
    assert trained["inputs"][0]["names"] == ["images_card", "labels_card"]
    assert trained["inputs"][0]["state"] == "as recorded"
    assert trained["record"] == RECORD
    assert trained["code"]["same"]


def test_every_step_behind_a_table_is_told_once(toy: Toy) -> None:
    told = explain(toy.root, TABLE)
    assert len(cards_of(told)) == len(set(cards_of(told))) == 1 + 6 + 3 + 1
    said = text(told)
    assert said.count("datasets.build_dataset") == 1
    assert said.count("images, labels: data/cards/digits.json, told above") == 8
    assert said.count("no record") == 8
    assert "cpu on node7, revision abc123" in said


def test_a_cell_is_explained_by_the_verdicts_of_its_seeds(toy: Toy) -> None:
    told = explain(toy.root, TABLE, "at, pgd-20")
    verdicts = [card for card in cards_of(told) if "verdicts" in card]
    folder = f"{CARDS}/verdicts/digits"
    assert verdicts == [f"{folder}/at/pgd20.json", f"{folder}/at@1/pgd20.json"]
    explained = Cell.model_validate(told["cell"])
    assert (explained.published, explained.interval) == (49.85, (71.24, 78.48))
    assert explained.flags == (FLAG,)
    assert heading(told)[1:] == [
        "AT, PGD-20",
        "published 49.85, measured 74.95 [71.24, 78.48], 539 images, 2 seeds",
        "! red flag: pgd20 leaves 74.95 where clean leaves 60.00: "
        "an attack should not help the defense",
        "! a; note",
    ]


@pytest.mark.parametrize(
    ("cell", "behind"),
    [
        pytest.param("AT, AA", 0, id="not run"),
        pytest.param("AT, Avg", 4, id="average"),
        pytest.param("Ours, mixed, Standard", 1, id="single"),
    ],
)
def test_an_average_stands_on_its_row_and_a_cell_that_was_not_run_on_nothing(
    toy: Toy, cell: str, behind: int
) -> None:
    told = explain(toy.root, TABLE, cell)
    assert sum("verdicts" in card for card in cards_of(told)) == behind
    assert text(told)


@pytest.mark.parametrize(
    ("cell", "behind"),
    [
        ("ResNet: AT, White box: PGD-20", ["at/pgd20", "at@1/pgd20"]),
        ("AT, PGD-20", ["at/pgd20", "at@1/pgd20"]),
        ("Ours, Worst", ["ijsat/clean", "ijsat/pgd20"]),
        ("Gain, Worst", [f"{d}/{t}" for t in ("clean", "pgd20") for d in DEFENSES]),
    ],
)
def test_a_cell_stands_on_its_verdicts_however_the_table_is_made(
    toy: Toy, cell: str, behind: list[str]
) -> None:
    """Another data set stands in; rows and columns have parts, differ, are the worst."""
    row = {"dataset": "cifar10", "published": [1, 1]}
    spec = table_spec(
        average=None,
        dataset="svhn",
        stand_ins={"cifar10": "digits"},
        rows=[
            row | {"name": "AT", "part": "ResNet", "defense": "at"},
            row | {"name": "Ours", "defense": "ijsat"},
            row | {"name": "Gain", "difference": ["Ours", "AT"]},
        ],
        columns=[
            {"name": "PGD-20", "part": "White box", "threat": "pgd20"},
            {"name": "Worst", "worst_of": ["clean", "pgd20"]},
        ],
    )
    table = "results/demo/papers/ijsat/table2.csv"
    cells = [
        table_cell("ResNet: AT", "White box: PGD-20", runs_of("at", "pgd20")),
        table_cell("Ours", "Worst", runs_of("ijsat", "clean", "pgd20")),
        table_cell("Gain", "Worst", RUNS),
    ]
    write_table(toy.root / table, spec, [[one] for one in cells])
    verdicts = [f"{CARDS}/verdicts/digits/{label(d, s)}/{t}.json" for d, t, s in RUNS]
    inputs = {"verdicts_card": verdicts}
    card = table.replace("demo/", "demo/cards/").replace(".csv", ".json")
    outputs = {"csv": table, "json": table.replace(".csv", ".json")}
    made = spec.model_dump(mode="json")
    toy.card(card, "papers.make_table", made, inputs, outputs)
    told = cards_of(explain(toy.root, table, cell))
    expected = {f"{CARDS}/verdicts/digits/{name}.json" for name in behind}
    assert {card for card in told if "verd" in card} == expected


@pytest.mark.parametrize(
    ("what", "cell", "says"),
    [
        (TABLE, "AT, PGD-2", "no column 'PGD-2'; did you mean 'PGD-20'?"),
        (TABLE, "Ours, AA", "no method 'Ours'; did you mean 'Ours, mixed'?"),
        (TABLE, "AT", 'a cell is "METHOD, COLUMN", and "AT" names no column; valid: S'),
        (TABLE, "AT,", '"AT," names no column'),
        (TABLE, "PGD-20", '"PGD-20" names no method; valid: '),
        (TABLE, ", PGD-20", '", PGD-20" names no method'),
        (TABLE, "", '"" names no column'),
        (TABLE, "PGD-20, AT", 'the method comes first: "AT, PGD-20"'),
        (WEIGHTS.format("at"), "AT, AA", "is not a table's card"),
        (WEIGHTS.format("ta"), None, "did you mean"),
        ("results/demo", None, "is a folder"),
        ("pipeline_steps/core/rng.py", None, "no card mentions pipeline_steps/core"),
        ("nothing.csv", None, "there is no nothing.csv"),
        ("../other.csv", None, "is outside this project"),
    ],
)
def test_a_wrong_word_ends_in_one_sentence(
    toy: Toy, what: str, cell: str | None, says: str
) -> None:
    with pytest.raises(PipelineError) as caught:
        explain(toy.root, what, cell)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("AT", "AT [PGD-5]"),  # and not IAT, which is spelled more like it
        ("at", "AT [PGD-5]"),
        ("IJSAT", "IJSAT (ours)"),
        ("Normal", "Normal Training"),
        ("TRADE", "TRADES"),
    ],
)
def test_a_method_is_suggested_by_how_its_name_begins(name: str, nearest: str) -> None:
    printed = ["Normal Training", "AT [PGD-5]", "DMAT", "IAT", "TRADES", "IJSAT (ours)"]
    with pytest.raises(PipelineError) as caught:
        _named("method", name, printed)
    assert str(caught.value).endswith(f"'{name}'; did you mean '{nearest}'?")


def test_a_cell_of_a_table_that_is_not_the_cards_is_not_explained(toy: Toy) -> None:
    results = toy.root / RESULTS
    results.write_text(results.read_text().replace("74.95", "84.95"))
    with pytest.raises(PipelineError, match="does not match its card"):
        explain(toy.root, TABLE, "AT, PGD-20")


def test_code_that_changed_is_named_module_by_module(toy: Toy) -> None:
    toy.source("core/rng.py", "from pipeline_steps.core import noise\nSEED = 1")
    toy.source("core/noise.py", "import scipy")
    toy.source("defenses/train_defense.py", '"""A docstring."""\nimport numpy')
    told = toy.told(WEIGHTS.format("at"))
    trained, built = (step["code"] for step in told["steps"])
    assert built["changes"] == {
        "modules": {
            "added": ["pipeline_steps.core.noise"],
            "removed": [],
            "changed": ["pipeline_steps.core.rng"],
        },
        "packages": {"added": ["scipy"], "removed": [], "changed": []},
    }
    assert trained["changes"]["modules"]["removed"][-2:] == [
        "pipeline_steps.core",
        "pipeline_steps.core.rng",
    ]
    assert not trained["same"]
    said = toy.why(WEIGHTS.format("at")).stdout
    assert "modules changed: pipeline_steps.defenses.train_defense" in said
    assert "packages added: scipy" in said


def test_a_step_that_is_gone_is_said_so(toy: Toy) -> None:
    (toy.root / "pipeline_steps/datasets/build_dataset.py").unlink()
    told = toy.told("data/digits/test.images.npy")
    assert (
        "no module pipeline_steps.datasets.build_dataset"
        in told["steps"][0]["code"]["gone"]
    )


def test_inputs_that_changed_or_went_are_named(toy: Toy) -> None:
    card = toy.root / "data/cards/digits.json"
    card.write_text(card.read_text().replace("16", "32"))
    (toy.root / CARDS / "defenses/digits/ijsat.json").unlink()
    told = explain(toy.root, TABLE, "Ours, mixed, Standard")
    attacked = step_named(told, "ijsat/clean.json")
    states = {one["file"]: one["state"] for one in attacked["inputs"]}
    assert states == {
        f"{CARDS}/defenses/digits/ijsat.json": "not here",
        "data/cards/digits.json": "changed since",
    }
    assert "this input is changed since" in text(told)
    assert "this input is not here" in text(told)


def test_a_file_of_another_size_is_seen(toy: Toy) -> None:
    place = toy.root / WEIGHTS.format("at")
    place.parent.mkdir(parents=True)
    place.write_bytes(b"12345")
    told = explain(toy.root, WEIGHTS.format("at"))
    assert told["steps"][0]["outputs"][0]["state"] == "here with 5 bytes"


def test_the_command_prints_text_or_one_document(toy: Toy) -> None:
    done = toy.why(TABLE, "--cell", "AT, PGD-20")
    assert done.returncode == 0
    assert done.stdout.startswith(f"{TABLE}\nAT, PGD-20\npublished 49.85")
    assert "\x1b" not in done.stdout
    assert "set  recipe at(steps 10)" in done.stdout
    assert toy.told(TABLE) == explain(toy.root, TABLE)


def test_a_terminal_gets_a_tree(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    show(explain(toy.root, WEIGHTS.format("at")))
    out = capsys.readouterr().out
    assert "└── " in out
    assert f"{CARDS}/defenses/digits/at.json" in out.replace("\n", "")


def test_the_command_fails_with_one_sentence(toy: Toy) -> None:
    done = toy.why("nothing.csv")
    assert done.returncode == 1
    assert done.stderr == "error: there is no nothing.csv; build it, or pull it\n"
