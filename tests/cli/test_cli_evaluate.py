"""`robust-papers evaluate` judges a model as the call of the same name in Python does."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from pipeline_steps.cli import main
from pipeline_steps.core.rng import rng
from robust_papers import evaluate
from robust_papers.command import Normalised, images_of, threats_of

CLASSES, COUNT, SIZE = 3, 12, 8
FACTORY = """
from torch import nn

def make(classes, bias=True):
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, classes, bias=bias))

def broken():
    raise ValueError("no luck")

def number():
    return 7
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a factory, weights and images, in which the command is typed."""
    draw = rng(0, "images")
    images = (255 * draw.uniform([COUNT, 3, SIZE, SIZE])).to(torch.uint8)
    labels = np.arange(COUNT) % CLASSES
    (tmp_path / "mine.py").write_text(FACTORY)
    torch.save(model().state_dict(), tmp_path / "weights.pt")
    np.savez(tmp_path / "data.npz", images=images.numpy(), labels=labels)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])  # the command adds this folder
    return tmp_path


def model() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, CLASSES))


def told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str
) -> tuple[object, str]:
    monkeypatch.setattr(sys, "argv", ["robust-papers", "evaluate", *words.split()])
    with pytest.raises(SystemExit) as exit_:
        main()
    return exit_.value.code, capsys.readouterr().out


MINE = "mine.py:make data.npz --argument classes=3 --weights weights.pt"


def test_it_tells_what_the_call_in_python_tells(folder, monkeypatch, capsys):
    threats = ["fgsm", "pgd5"]
    words = f"{MINE} --threat fgsm --threat pgd5 --budgets-of cifar10 --json"
    code, out = told(monkeypatch, capsys, words)
    assert code == 0
    data = images_of("data.npz", None, None)
    expected = evaluate(model(), threats, data, progress=False)
    assert json.loads(out) == {
        "threats": expected.to_frame().to_dict(orient="records"),
        "red_flags": expected.red_flags,
    }
    assert json.loads(out)["threats"][0]["images"] == COUNT


def test_a_line_for_each_threat_says_the_accuracy_and_its_interval(
    folder, monkeypatch, capsys
):
    words = f"{MINE} --threat pgd20 --steps 2 --count 6"
    lines = told(monkeypatch, capsys, words)[1].splitlines()
    names = [line.partition(":")[0] for line in lines[:3]]
    assert names == ["clean", "pgd20 in 2 steps", "worst case"]


def test_a_limit_of_steps_leaves_alone_what_has_fewer_or_none():
    threats = threats_of(["clean", "fgsm", "pgd20", "rays10k"], "cifar10", steps=5)
    names = [threat.name for threat in threats]
    assert names == ["clean", "fgsm", "pgd20 in 5 steps", "rays10k"]
    assert threats[2].spec.model_dump()["steps"] == 5


def test_a_module_of_this_folder_is_found_and_its_answers_are_normalised(
    folder, monkeypatch, capsys
):
    words = (
        "mine:make data.npz --argument classes=3 --weights weights.pt --threat clean"
    )
    words += " --mean 0.9,0.5,0.1 --std 0.01,1,0.2 --json"
    code, out = told(monkeypatch, capsys, words)
    assert code == 0
    images, labels = images_of("data.npz", None, None)
    answers = model()(
        (images - torch.tensor([0.9, 0.5, 0.1])[:, None, None])
        / torch.tensor([0.01, 1, 0.2])[:, None, None]
    )
    right = 100 * (answers.argmax(1) == labels).float().mean()
    assert json.loads(out)["threats"][0]["accuracy"] == pytest.approx(float(right))
    plain = Normalised(model(), [0.0] * 3, [1.0] * 3)
    torch.testing.assert_close(plain(images), model()(images))


@pytest.mark.parametrize("form", ["NCHW", "NHWC", "float"])
def test_a_file_of_images_is_read_in_every_usual_form(folder, form):
    images, labels = images_of("data.npz", None, None)
    pixels = (255 * images).round().to(torch.uint8).numpy()
    forms = {
        "NCHW": pixels,
        "NHWC": pixels.transpose(0, 2, 3, 1),
        "float": images.numpy(),
    }
    np.savez("other.npz", images=forms[form], labels=labels.numpy())
    again, its = images_of("other.npz", None, 7)
    torch.testing.assert_close(again, images[:7])
    assert its.tolist() == labels[:7].tolist()


def test_a_folder_of_classes_is_taken_in_turn(folder):
    greys = {"cat": [10, 20, 30], "dog": [110], "emu": [210, 220]}
    for name, pixels in greys.items():
        (folder / "photos" / name).mkdir(parents=True)
        for i, pixel in enumerate(pixels):
            image = Image.new("RGB", (12, 10), (pixel, pixel, pixel))
            image.save(folder / "photos" / name / f"{i}.png")
    images, labels = images_of("photos", SIZE, 5)
    assert images.shape == (5, 3, SIZE, SIZE)
    assert labels.tolist() == [0, 1, 2, 0, 2]
    shades = (255 * images[:, 0, 0, 0]).round().int().tolist()
    assert shades == [10, 110, 210, 20, 220]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("resnet18 data.npz", "'resnet18' names no function; write FILE.py:NAME"),
        (
            "other.py:make data.npz",
            "other.py is neither a file in this folder nor",
        ),
        (
            "mine.py:broken data.npz",
            "mine.py:broken could not make a model: ValueError: no luck",
        ),
        (
            "mine.py:number data.npz",
            "mine.py:number made a int, not a torch.nn.Module",
        ),
        (
            "mine.py:make data.npz",
            "mine.py:make could not make a model: TypeError: make() missing",
        ),
        (
            "mine.py:make data.npz --argument 3",
            "--argument must be NAME=VALUE, not '3'",
        ),
        (f"{MINE} --weights none.pt", "there is no file none.pt"),
        (f"{MINE} --weights mine.py", "mine.py can't be read as tensors alone"),
        (f"{MINE} --mean 0,0,0", "--mean and --std belong together; give both"),
        (
            f"{MINE} --mean a --std 1",
            "--mean must be a number for each channel, such as",
        ),
        (
            f"{MINE} --threat pgd200",
            "there is no threat 'pgd200'; did you mean 'pgd20'?",
        ),
        (f"{MINE} --threat jsa50", "jsa50 edits the latents of glow"),
        ("mine.py:make none.npz --argument classes=3", "there is no file none.npz"),
        (
            "mine.py:make mine.npz --argument classes=3",
            "mine.npz does not hold the arrays",
        ),
        (
            "mine.py:make empty --argument classes=3",
            "empty has images of different sizes; give",
        ),
        (
            "mine.py:make empty --argument classes=3 --size 8",
            "empty holds no folder of",
        ),
        (
            "mine.py:make cifra10 --argument classes=3",
            "data set cifra10 could not be built",
        ),
        (
            "mine.py:make data.npz --argument classes=2",
            "labels run from 0 to 2, and the",
        ),
    ],
    ids=lambda value: value[:40],
)
def test_a_mistake_is_one_sentence(folder, monkeypatch, capsys, words, sentence):
    (folder / "empty").mkdir()
    np.savez(folder / "mine.npz", pictures=np.zeros(3))
    code, out = told(monkeypatch, capsys, words)
    assert isinstance(code, str) and code.startswith(f"error: {sentence}"), code
    assert "\n" not in code
    assert out == ""
