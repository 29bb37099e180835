"""A model of the user's with a discriminator and an inference, as ATLD's authors released."""

import json
import re
import shutil
import sys
from pathlib import Path
from textwrap import dedent

import pytest
import torch
import yaml
from torch.nn import functional

from pipeline_steps.config.load import load_config
from pipeline_steps.config.user_models import OWN_FILE
from pipeline_steps.core.digest import factory_digest
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.files import sha256
from pipeline_steps.core.registry import ROOT, factory
from pipeline_steps.core.rng import rng
from pipeline_steps.core.tensors import write_tensors
from pipeline_steps.datasets.loader import load_image_set
from pipeline_steps.defenses.load import load_model
from pipeline_steps.defenses.own_weights import put_weights, read_weights
from pipeline_steps.jobs.specs import Specs
from pipeline_steps.threats.victim import Transformed

PAGE = ROOT / "docs/tutorials/your-own-model.md"
# Of the form that the authors' modules have: tuples, and a probability.
WIDE_RESNET = """
from torch import nn

class WideResNet(nn.Module):
    def __init__(self, depth, num_classes, widen_factor=1, dropRate=0.0):
        super().__init__()
        self.conv1 = nn.Conv2d(3, widen_factor, 3)
        self.bn1 = nn.BatchNorm2d(widen_factor)
        self.fc = nn.Linear(widen_factor, num_classes)

    def forward(self, x):
        fea = self.bn1(self.conv1(x)).tanh()
        out = fea.mean((2, 3))
        return self.fc(out), out, fea
"""
DISCRIMINATOR = """
from torch import nn

class Discriminator_2(nn.Module):
    def __init__(self, depth, num_classes, widen_factor=1, dropRate=0.0):
        super().__init__()
        self.conv1 = nn.Conv2d(10, widen_factor, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(widen_factor)
        self.fc = nn.Linear(widen_factor, num_classes)
        self.fc2 = nn.Linear(widen_factor, 10)

    def forward(self, x):
        out = self.bn1(self.conv1(x)).tanh().flatten(1)
        return self.fc(out).sigmoid(), self.fc2(out)
"""


def indented(before):
    """The indented block of the page that follows these words."""
    following = re.split(r"\s+".join(map(re.escape, before.split())), PAGE.read_text())
    lines = following[1].splitlines()[1:]
    taken = []
    for line in lines:
        if line and not line.startswith("    "):
            if any(taken):
                break
            continue
        taken.append(line)
    return dedent("\n".join(taken)).strip() + "\n"


@pytest.fixture
def released(tmp_path, monkeypatch):
    """The page's files beside a checkout and a checkpoint of the authors' form."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    models = tmp_path / "ATLD-pytorch/svhn/models_new"
    models.mkdir(parents=True)
    (models / "wideresnet.py").write_text(WIDE_RESNET)
    (models / "dis.py").write_text(DISCRIMINATOR)
    (tmp_path / "my_atld.py").write_text(indented("put this into `my_atld.py`:"))
    factory_digest.cache_clear()
    model = factory("my_atld.py:make")()
    with torch.no_grad():
        for i, (name, tensor) in enumerate(model.state_dict().items()):
            if tensor.is_floating_point() and not name.endswith("running_var"):
                tensor.copy_(rng(i, name).normal(tensor.shape))
    checkpoint = {"net": model.state_dict(), "epoch": 399, "optimizer": {"state": {}}}
    torch.save(checkpoint, "atld_latest")
    shutil.copytree(ROOT / "workflow/config", tmp_path / "workflow/config")
    config = indented("in `workflow/config/own.yaml`, once for each way to answer:")
    (tmp_path / OWN_FILE).write_text(config)
    load_config.cache_clear()
    yield model.eval()
    load_config.cache_clear()
    for name in [name for name in sys.modules if name.startswith("models_new")]:
        del sys.modules[name]


def test_a_released_atld_answers_through_its_own_imt(released, tmp_path):
    plan = Specs(load_config("demo", tmp_path))
    spec = plan.attack("digits", "atld-released", "pgd20-adaptive")
    weights = tmp_path / "taken.safetensors"
    model = factory("my_atld.py:make")()
    put_weights(model, read_weights(Path("atld_latest")), Path("atld_latest"))
    write_tensors(weights, model.state_dict())
    defense = load_model(spec.architecture, weights)
    assert isinstance(defense, Transformed)
    images = rng(0, "images").uniform([6, 3, 16, 16])
    leaf = (2 * images - 1).requires_grad_()
    natural, _ = released.discriminator(released.basic_net(leaf)[0][:, :, None, None])
    loss = functional.binary_cross_entropy(natural, torch.ones(6, 1))
    (gradient,) = torch.autograd.grad(loss, leaf)
    moved = (leaf - 0.2 * gradient.sign()).clamp(-1, 1)
    assert not torch.equal(moved, leaf)
    assert torch.allclose(defense(images), released.basic_net(moved)[0], atol=1e-4)
    bare = plan.attack("digits", "atld-released-", "pgd20").architecture
    plain = load_model(bare, weights)
    assert torch.allclose(plain(images), released.basic_net(leaf)[0], atol=1e-5)


def test_it_stands_in_the_paper_s_tables(released, tmp_path):
    plan = Specs(load_config("demo", tmp_path))
    runs = {
        (run.defense, run.threat) for run in plan.pages.table("atld", "table5").runs
    }
    assert ("atld-released", "worst-adaptive") in runs
    assert ("atld-released-", "cla+d-pgd20") in runs
    assert "inference" in plan.adopted("digits", "atld-released").architecture
    assert "inference" not in plan.adopted("digits", "atld-released-").architecture


def test_it_is_taken_in_with_what_it_does_before_it_answers(
    released, tmp_path, toy_files, run_step
):
    """On images of ten classes, by its static weights; and refused without a companion."""
    plan = Specs(load_config("demo", tmp_path))
    spec = plan.adopted("digits", "atld-released").model_dump(mode="json")
    inputs = {"given": "atld_latest"}
    inputs |= {name: toy_files[f"test_{name}"] for name in ("images", "labels")}
    inputs |= {f"{name}_card": toy_files["card"] for name in ("images", "labels")}
    outputs = {"weights": "taken.safetensors", "card": "card.json"}
    done = run_step("defenses.adopt_defense", spec, outputs, inputs=inputs)
    assert done.returncode == 0, done.stderr
    defense = load_model(spec["architecture"], Path("taken.safetensors"))
    cpu = torch.device("cpu")
    data = load_image_set(toy_files["test_images"], toy_files["test_labels"], cpu)
    images, labels = data[torch.arange(len(data))]
    right = (defense(images).argmax(1) == labels).float().mean()
    metrics = json.loads(Path("card.json").read_text())["metrics"]
    assert metrics["accuracy"] == pytest.approx(100 * float(right), abs=1e-3)
    code = Path("my_atld.py").read_text().replace("def companion", "def discriminates")
    Path("my_atld.py").write_text(code)
    factory_digest.cache_clear()
    load_config.cache_clear()
    spec = Specs(load_config("demo", tmp_path)).adopted("digits", "atld-released")
    spec = spec.model_dump(mode="json")
    done = run_step("defenses.adopt_defense", spec, outputs, inputs=inputs)
    assert done.returncode != 0
    assert "needs a discriminator, and this model has none" in done.stderr


def test_a_wrapper_s_name_before_each_weight_is_taken_off(released):
    plain = released.state_dict()
    for prefix in ("module.", "model.", "module.model."):
        torch.save({"state_dict": {prefix + k: t for k, t in plain.items()}}, "w.pt")
        model = factory("my_atld.py:make")()
        put_weights(model, read_weights(Path("w.pt")), Path("w.pt"))
        assert all(torch.equal(plain[k], t) for k, t in model.state_dict().items())
    other = {"other." + k: t for k, t in list(plain.items())[1:]}
    with pytest.raises(PipelineError, match=r"w\.pt does not fit the model"):
        put_weights(model, other, Path("w.pt"))


def test_robustbench_s_lines_are_a_config(released, tmp_path):
    """What can be told without its package."""
    text = indented("and in `workflow/config/own.yaml`:")
    told = yaml.safe_load(text)["models"]["carmon"]
    Path("my_zoo.py").write_text(indented("In `my_zoo.py`:"))
    weights = Path(told["weights"])
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"")
    (tmp_path / OWN_FILE).write_text(text)
    load_config.cache_clear()
    spec = Specs(load_config("demo", tmp_path)).adopted("digits", "carmon")
    assert spec.weights == sha256(weights)
    assert re.search(r"def make\(name\):", Path("my_zoo.py").read_text())
    assert spec.architecture["arguments"] == {"name": "Carmon2019Unlabeled"}
