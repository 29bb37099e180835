"""A model that the user brings: taken in, shown, or refused in one sentence."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from pipeline_steps.config.load import load_config
from pipeline_steps.config.user_models import OWN_FILE
from pipeline_steps.core.digest import factory_digest
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.files import sha256
from pipeline_steps.core.registry import ROOT
from pipeline_steps.core.tensors import read_tensors, write_tensors
from pipeline_steps.defenses.load import load_model, new_model
from pipeline_steps.defenses.own_weights import check_answers, put_weights, read_weights
from pipeline_steps.jobs.specs import Specs

sys.path.insert(0, str(ROOT / "tests" / "workflow"))
from workflow_house import House, blocks

CODE = """
import torch
from torch import nn

def make(classes=3):
    return nn.Sequential(nn.Flatten(), nn.Linear(192, classes))

def number():
    return 7

def fails():
    raise OSError("no such thing")

class Once(nn.Sequential):
    def forward(self, images):
        return super().forward(images).softmax(1)[:, :1]

def narrow():
    return Once(nn.Flatten(), nn.Linear(192, 3))

class Undefined(nn.Sequential):
    def forward(self, images):
        return super().forward(images) / 0

def undefined():
    return Undefined(nn.Flatten(), nn.Linear(192, 3))
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder with the user's code and weights, in which the test then stands."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(CODE)
    torch.manual_seed(0)
    layer = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    torch.save(layer.state_dict(), tmp_path / "weights.pt")
    factory_digest.cache_clear()
    return tmp_path


def entry(name="make", **arguments):
    place = f"mine.py:{name}"
    return {"factory": place, "arguments": arguments, "code": factory_digest(place)}


@pytest.fixture
def adopted(own, toy_dataset, toy_files, run_step):
    """The step that takes a model in."""

    def adopted():
        spec = {
            "name": "my-model",
            "dataset": toy_dataset,
            "architecture": entry(),
            "weights": sha256(Path("weights.pt")),
        }
        inputs = {"given": "weights.pt"}
        inputs |= {name: toy_files[f"test_{name}"] for name in ("images", "labels")}
        inputs |= {f"{name}_card": toy_files["card"] for name in ("images", "labels")}
        outputs = {"weights": "taken.safetensors", "card": "card.json"}
        return run_step("defenses.adopt_defense", spec, outputs, inputs=inputs)

    return adopted


def test_a_model_is_taken_in_as_it_answers(own, adopted):
    done = adopted()
    assert done.returncode == 0, done.stderr
    model = load_model(entry(), own / "taken.safetensors")
    plain = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    plain.load_state_dict(torch.load("weights.pt", weights_only=True))
    images = torch.linspace(0, 1, 2 * 192).reshape(2, 3, 8, 8)
    assert torch.equal(model(images), plain(images))
    metrics = json.loads((own / "card.json").read_text())["metrics"]
    assert metrics["parameters"] == 193 * 3
    assert 0 <= metrics["accuracy"] <= 100
    assert "images are in [0, 1]" in done.stderr


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("number", {}, "made a int, not a torch.nn.Module"),
        ("fails", {}, "could not make a model: OSError: no such thing"),
        ("make", {"classes": 5}, "does not fit the model that the factory makes: size"),
        ("narrow", {}, r"with (20, 1), not with logits of shape (20, 3)"),
        ("undefined", {}, "answers with numbers that are not finite"),
    ],
)
def test_a_model_that_does_not_fit_is_one_sentence(own, name, arguments, told):
    images = torch.linspace(0, 1, 20 * 192).reshape(20, 3, 8, 8)
    with pytest.raises(PipelineError) as error:
        model = new_model(entry(name, **arguments), seed=0)
        put_weights(model, read_weights(Path("weights.pt")), Path("weights.pt"))
        check_answers(model, images, 3, "my-model")
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_images_that_a_model_can_t_take_are_one_sentence(own):
    model = new_model(entry(), seed=0)
    with pytest.raises(PipelineError, match="my-model can't take images of 3x9x9: Run"):
        check_answers(model, torch.zeros(2, 3, 9, 9), 3, "my-model")


class Trap:
    """What runs where a pickle is trusted."""

    def __reduce__(self):
        return Path.touch, (Path("sprung"),)


def test_weights_are_tensors_and_no_code(own):
    torch.save({"weights": Trap()}, "trap.pt")
    with pytest.raises(PipelineError, match=r"trap.pt can't be read as tensors alone"):
        read_weights(Path("trap.pt"))
    assert not Path("sprung").exists()
    torch.save({"epoch": 3}, "other.pt")
    with pytest.raises(PipelineError, match="does not hold named tensors"):
        read_weights(Path("other.pt"))


def test_weights_are_found_where_training_scripts_put_them(own):
    plain = torch.load("weights.pt", weights_only=True)
    wide = {"epoch": 3, "state_dict": {f"module.{k}": t for k, t in plain.items()}}
    torch.save(wide, "wide.pt")
    write_tensors(Path("plain.safetensors"), plain)
    for path in ("wide.pt", "plain.safetensors"):
        read = read_weights(Path(path))
        assert read.keys() == plain.keys()
        assert all(torch.equal(read[name], plain[name]) for name in plain)


def test_the_code_of_a_factory_is_part_of_its_job(own):
    before = entry()
    new_model(before, seed=0)
    Path("mine.py").write_text(CODE + "\n# a comment\n")
    factory_digest.cache_clear()
    assert entry() == before
    Path("mine.py").write_text(CODE.replace("192, classes", "192, classes, bias=False"))
    factory_digest.cache_clear()
    with pytest.raises(PipelineError, match="changed after this job was planned"):
        new_model(before, seed=0)


def test_all_files_of_an_installed_package_count(own, monkeypatch):
    package = own / "packed" / "inner"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").write_text("")
    (package / "nets.py").write_text("def make(): ...")
    monkeypatch.syspath_prepend(own)
    before = factory_digest("packed.inner.nets:make")
    (package.parent / "other.py").write_text("x = 1")
    factory_digest.cache_clear()
    assert factory_digest("packed.inner.nets:make") != before


OWN = """
models:
  my-model:
    title: mine
    factory: mine.py:make
    weights: weights.pt
rows:
  ijsat:
    table1: [{name: My model, defense: my-model}]
"""


@pytest.fixture
def config(own):
    """The project's config with a user's own file beside it, changed as told."""

    def config(old="", new=""):
        if not (own / "workflow").exists():
            shutil.copytree(ROOT / "workflow/config", own / "workflow/config")
        (own / OWN_FILE).write_text(OWN.replace(old, new) if old else OWN)
        load_config.cache_clear()
        return load_config("demo", own)

    yield config
    load_config.cache_clear()


def test_an_own_row_stands_below_the_paper_s(config):
    plan = Specs(config())
    table = plan.pages.table("ijsat", "table1")
    *_, row = table.rows
    assert row.name == "My model"
    assert row.note == "Not from the paper."
    assert set(row.published) == {None}
    assert {run.threat for run in table.runs if run.defense == "my-model"} == {
        column.threat for column in table.columns if column.threat
    }
    network = plan.attack("digits", "my-model", "pgd20").architecture
    assert network == plan.adopted("digits", "my-model").architecture
    assert network["factory"] == "mine.py:make"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("weights.pt", "gone.pt", "weights: there is no file gone.pt"),
        ("mine.py:", "gone.py:", "factory: gone.py is neither a file"),
        ("mine.py:", "no_such_module:", "no_such_module is neither a file in"),
        (
            "mine.py:make",
            "mine.py",
            "a function is named `FILE.py:NAME` or `MODULE:NAME`, not",
        ),
        ("table1", "tabel1", "there is no table 'tabel1'; did you mean 'table1'"),
        ("defense: my-model", "defense: my-modle", "did you mean 'my-model'"),
        ("  my-model:", "  at:", "defenses.yaml already has a defense of this name"),
    ],
)
def test_what_is_wrong_in_own_yaml_is_one_sentence(config, old, new, told):
    with pytest.raises(PipelineError) as error:
        config(old, new)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


PHOTOS = """\
datasets:
  photos:
    title: my photographs
    source: folder
    places: [photos]
    classes: 4
    size: 32
    budgets: {image: 8/255, latent: 0.02}
"""


def put_photos(root, *labels):
    for label in labels:
        folder = root / "photos" / label
        folder.mkdir(parents=True)
        Image.new("RGB", (36, 36)).save(folder / "1.png")


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        pytest.param(
            [], "(photos/photos is not there; photos is not there)", id="gone"
        ),
        pytest.param(
            ["cat", "dog"],
            "photos holds 2 classes, not the 4 of `classes`",
            id="too few classes",
        ),
    ],
)
def test_images_that_are_not_as_own_yaml_says_are_blamed_on_it(
    tmp_path, labels, told, a_sentence
):
    house = House.fresh(tmp_path / "house")
    (house.root / OWN_FILE).write_text("# mine\n" + PHOTOS)
    put_photos(house.root, *labels)
    done = subprocess.run(
        [sys.executable, "-m", "pipeline_steps", "data/photos/archive"],
        cwd=house.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    sentence = a_sentence(done.stderr)
    begins = f"error: {OWN_FILE}: line 3, datasets.photos: its images were not found"
    assert begins in sentence
    assert told in sentence
    assert "datasets.yaml" not in sentence


def test_a_row_below_a_paper_s_is_blamed_on_own_yaml(config):
    with pytest.raises(PipelineError) as error:
        config("defense: my-model", "defense: my-modle")
    rows = (OWN.replace("my-model}", "my-modle}")).splitlines()
    line = next(i for i, row in enumerate(rows, 1) if "my-modle" in row)
    assert str(error.value).startswith(
        f"{OWN_FILE}: line {line}, tables.table1, row 'My"
    )


@pytest.mark.xdist_group("workflow")
def test_the_page_does_what_it_says_word_for_word(tmp_path):
    house = House.fresh(tmp_path / "house").tiny()
    draw = np.random.default_rng(0)
    for label in ("bird", "cat", "dog", "frog"):
        folder = house.root / "photos" / label
        folder.mkdir(parents=True)
        for number in range(10):
            pixels = draw.integers(0, 255, (40, 36, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    page = (ROOT / "docs/tutorials/your-own-model.md").read_text()
    for file, kind, text in blocks(page):
        if kind != "sh":
            (house.root / file).write_text(text)
            continue
        path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
        done = subprocess.run(
            ["bash", "-e", "-c", text],
            cwd=house.root,
            env={"PATH": path, "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    told = pd.read_csv(house.root / "results/demo/papers/own/photos.csv")
    assert list(told["method"]) == ["My model"] * 2 + ["AT"] * 2
    assert told["measured"].between(0, 100).all()
    assert (told["images"] == 12).all()
    assert told["published"].isna().all()
    taken = house.root / "results/demo/checkpoints/defenses/photos/my-model.safetensors"
    assert "inside.conv1.weight" in read_tensors(taken)
    assert house.planned("own") == set()
    house.edit("my_models.py", r"\[0\.229", "[0.23")
    jobs = {"adopt_defense", "attack_defense", "make_table", "own"}
    planned = house.planned("own")
    assert {job.split()[0] for job in planned} == jobs
    assert not [job for job in planned if " at" in job]
