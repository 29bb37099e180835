"""What is typed behind `snakemake` and can't be made ends in a sentence that helps."""

from pathlib import Path

import pytest
from workflow_house import DEMO, House

pytestmark = pytest.mark.xdist_group("workflow")

AT = "results/demo/checkpoints/defenses/digits/at.safetensors"
PAGE = "results/demo/papers/ijsat/table1.csv"

# What is asked for, and the sentence's end.
UNKNOWN = {
    "a page": ("ijsat_table9", "no target 'ijsat_table9'; did you mean 'ijsat_table"),
    "a paper": ("ijsta", "no target 'ijsta'; did you mean 'ijsat'?"),
    "a word like none": (
        "zzzz",
        "no target 'zzzz'; name a page (`ijsat_table1`), a pap",
    ),
    "a table": (PAGE.replace("table1", "tabel1"), "no table 'tabel1'; … 'table1'?"),
    "an ending": (PAGE.replace("csv", "cvs"), f"such a name; did you mean '{PAGE}'?"),
    "a folder": (PAGE.replace("papers", "paper"), f"did you mean '{PAGE}'?"),
    "a scale": (PAGE.replace("demo", "dmeo"), "no scale 'dmeo'; did you mean 'demo'?"),
    "another scale": (PAGE.replace("demo", "small"), "add --config scale=small"),
    "a threat": (
        "results/demo/verdicts/digits/at/pdg20.parquet",
        "no threat 'pdg20'; did you mean 'pgd20'?",
    ),
    "a defense": (AT.replace("/at.", "/att."), "no defense 'att'; did you mean 'at'?"),
    "a data set": ("data/digist/archive", "no dataset 'digist'; … 'digits'?"),
    "like nothing": ("a/b.txt", "no job makes a/b.txt: no rule has results of such a"),
}
OPTIONS = {
    "limited=maybe": "config key 'limited' must be yes or no, not 'maybe'",
    "limited=": "config key 'limited' must be yes or no, not nothing",
    "cpu=2": "config key 'cpu' must be yes or no, not '2'",
    "pool=off": "config key 'pool' must be yes or no, not 'off'",
    "scale=": "config key 'scale' must be a word, not nothing",
    "scale=Demo": "there is no scale 'Demo'; did you mean 'demo'?",
    "gpus=gress": "config key 'gpus' must be 'gpu', 'gres' or 'gres:MODEL', not 'gress'",
    "limted=yes": "there is no config key 'limted'; did you mean 'limited'?",
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A project in which one step wants a GPU."""
    house = House.fresh(tmp_path_factory.mktemp("targets") / "house").tiny()
    house.configure(DEMO, "resources.train_defense", {"gpus": 1})
    return house


@pytest.mark.parametrize(("target", "told"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_an_unknown_target_is_told_with_the_nearest(house, target, told):
    done = house.run("--cores", "1", target)
    assert done.returncode == 1
    *_, name, said = done.stderr.strip().splitlines()
    assert name == "UnknownTarget:"
    for part in told.split(" … "):
        assert part in said
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("option", "told"), OPTIONS.items(), ids=OPTIONS.keys())
def test_a_wrong_option_is_one_sentence(house, option, told):
    done = house.run("--dry-run", PAGE, "--config", option)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == f"error: {told}"


@pytest.mark.parametrize("option", ["limited=yes", "pool=no", "cpu=YES", "cpu=false"])
def test_yes_and_no_are_understood(house, option):
    assert house.planned(PAGE, "--config", option)


def test_what_wants_a_gpu_is_computed_on_a_cpu_only_if_told(house):
    """Planned anywhere; refused before any job starts; and the same job either way."""
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    assert "train_defense digits at" in house.planned(AT)
    done = house.run("--cores", "1", AT)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: this scale needs a GPU for train_defense, and torch")
    assert "--config cpu=yes" in last
    assert not (house.root / "data").exists()
    house.build(AT, "--config", "cpu=yes")
    assert (house.root / AT).is_file()
    assert house.planned(AT) == set()
    assert house.run("--cores", "1", AT).returncode == 0, "there is nothing to compute"


def test_a_checkout_that_cannot_be_written_says_so(tmp_path, read_only):
    house = House.fresh(tmp_path / "house")
    with read_only(house.root) as run:
        for command in (
            ["-m", "snakemake", "--cores", "1", "data/digits/archive"],
            ["-m", "pipeline_steps.cli", "run", "--keep-going"],
            ["-m", "pipeline_steps.cli", "cluster"],
            ["-m", "pipeline_steps.cli", "data", "digits"],
        ):
            done = run(*command)
            assert done.returncode == 1
            assert "Traceback" not in done.stderr
            last = done.stderr.strip().splitlines()[-1]
            assert last.startswith(f"error: you may not write to {house.root}; work")
        done = run("-m", "pipeline_steps", "data/digits/archive")
        assert "could not be written: [Errno 13] Permission denied" in done.stderr
        assert "Traceback" not in done.stderr


def test_results_that_are_no_folder_are_told(tmp_path):
    house = House.fresh(tmp_path / "house")
    (house.root / "results").write_text("mine\n")
    done = house.run("--cores", "1", PAGE)
    said = f"error: {house.root}/results is not a folder, but results are written there"
    assert (done.returncode, done.stderr.strip().splitlines()[-1]) == (1, said)
    assert Path(house.root, "results").read_text() == "mine\n"
