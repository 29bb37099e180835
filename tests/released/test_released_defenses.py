"""Recipes beside their authors' own code: losses, gradients and attacked images."""

import ast
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from released_house import CLASSES, COUNT, Net, digits, draw, place_of
from torch import Tensor, nn
from torch.nn import functional

from pipeline_steps.defenses.companion import Companion
from pipeline_steps.defenses.recipe import build_recipe
from pipeline_steps.defenses.smoothing import adversarial_labels, smoothed
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.catalogue import build_threat
from pipeline_steps.threats.spec import ThreatSpec
from pipeline_steps.threats.victim import Victim

pytestmark = pytest.mark.filterwarnings("ignore")


class Centred(nn.Module):
    """The same for images in [-1, 1], with as many answers as a code unpacks."""

    def __init__(self, net: nn.Module, answers: int) -> None:
        super().__init__()
        self.net, self.answers = net, answers

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        logits = self.net((images + 1) / 2)
        return (logits, *[logits] * (self.answers - 1))


class Discriminator(nn.Module):
    """A companion as ATLD's code asks for it: a probability, and logits of the classes."""

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        told = self.trunk(logits)
        return told[:, :1].sigmoid(), told[:, 1:]


def threat(start_at: str, objective: dict[str, Any], steps: int, epsilon: float) -> Any:
    size = epsilon if steps == 1 else 0.007
    edit = {"perturbation": "pixel", "epsilon": epsilon, "step_size": size}
    told = {
        "edit": edit | {"start_at": start_at},
        "objective": objective,
        "steps": steps,
    }
    return told


def gradient(loss: Tensor, model: nn.Module) -> Tensor:
    parts = torch.autograd.grad(loss, [*model.parameters()])
    return torch.cat([part.flatten() for part in parts])


@pytest.mark.parametrize(
    ("repository", "module", "word", "objective", "exact"),
    [
        ("yaodongyu/TRADES", "trades", "trades_loss", "kl", 1e-10),
        # Its logarithms have 1e-12 added to what they are of.
        ("YisenWang/MART", "mart", "mart_loss", "cross_entropy", 1e-6),
    ],
    ids=["TRADES", "MART"],
)
def test_loss_and_gradient(
    released, noise, repository, module, word, objective, exact
) -> None:
    theirs_of = getattr(released(repository, module), word)
    batch, model = digits(), Net()
    told = threat("nearby-unclipped", {"objective": objective}, 10, 0.031)
    recipe = build_recipe({"recipe": module, "threat": told, "beta": 6.0}, {})
    ours = recipe.loss(model, batch, draw())
    more = {"batch_size": COUNT} if module == "trades" else {}
    noise(draw().normal(batch.images.shape).double())
    theirs = theirs_of(
        *(model, batch.images, batch.labels, torch.optim.SGD(model.parameters(), lr=0)),
        **{"step_size": 0.007, "epsilon": 0.031, "perturb_steps": 10, "beta": 6.0},
        **more,
    )
    assert float(ours) == pytest.approx(float(theirs), rel=exact)
    one, other = gradient(ours, model), gradient(theirs, model)
    assert (one - other).norm() <= 100 * exact * other.norm()


CONFIG = {"random_start": True, "num_steps": 1, "train": True, "ls_factor": 0.5}


def settings(epsilon: float) -> dict[str, Any]:
    """Of a code whose images lie in [-1, 1]."""
    return CONFIG | {"step_size": 2 * epsilon, "epsilon": 2 * epsilon}


def full_step(
    objective: dict[str, Any], epsilon: float, noise: Any, batch: Batch
) -> Any:
    """Our attack in one full step, and the same start for theirs."""
    told = threat("unclipped", objective, 1, epsilon)
    drawn = 2 * draw().uniform(batch.images.shape) - 1
    noise((2 * epsilon * drawn).to(batch.images))
    return told


def test_feature_scattering_s_images_and_loss(released, noise) -> None:
    repository, epsilon = "Haichao-Zhang/FeatureScatter", 0.1
    if not (place_of(repository) / "ot.py").is_file():
        pytest.skip("this checkout of FeatureScatter holds no ot.py")
    module = released(repository, "attack_methods", models=ModuleType("models"))
    batch, net = digits(double=False), Net(double=False)
    told = full_step({"objective": "optimal_transport"}, epsilon, noise, batch)
    attack = module.Attack_FeaScatter(Centred(net, 2), settings(epsilon))
    _, theirs, _, images, _ = attack(2 * batch.images - 1, batch.labels)
    recipe = build_recipe(
        {"recipe": "feature_scattering", "threat": told, "classes": CLASSES}, {}
    )
    ours = build_threat(ThreatSpec(**told), {})(net, batch, draw())
    same = ((ours - (images + 1) / 2).abs() < 1e-5).float().mean()
    assert same > 0.999
    loss = recipe.loss(net, batch, draw())
    assert float(loss) == pytest.approx(float(theirs), rel=1e-5)


def test_atld_s_losses_on_its_own_images(released, noise) -> None:
    """The code gives back the losses on the images, not the images."""
    module = released(
        "LitterQ/ATLD-pytorch",
        "attack_methods_new_cifar10",
        *("cifar10", "cifar100"),  # utils.py lies in the second alone
        **{name: ModuleType(name) for name in ("models", "ot")},
    )
    batch, net, epsilon = digits(double=False), Net(double=False), 0.1
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        trunk = nn.Sequential(
            nn.Flatten(), nn.Linear(CLASSES, 16), nn.ReLU(), nn.Linear(16, 1 + CLASSES)
        )
    told = full_step({"objective": "discriminator"}, epsilon, noise, batch)
    still = torch.optim.SGD(trunk.parameters(), lr=0.0)
    attack = module.Attack_FeaScatter(
        Centred(net, 3), settings(epsilon), Discriminator(trunk), still
    )
    _, loss, distance, scale = attack(2 * batch.images - 1, batch.labels)
    theirs = loss + scale / 2 * distance
    net.companion = Companion(trunk)
    recipe = build_recipe({"recipe": "atld", "threat": told, "classes": CLASSES}, {})
    images = build_threat(ThreatSpec(**told), {})(net, batch, draw())
    smooth = smoothed(batch.labels, CLASSES, 0.5)
    ours = functional.cross_entropy(net(images), smooth)
    assert float(ours) == pytest.approx(float(loss), rel=1e-4)
    apart = functional.mse_loss(net(images), net(batch.images))
    assert float(apart) == pytest.approx(float(distance), rel=1e-4)
    whole = recipe.loss(net, batch, draw())
    assert float(whole) == pytest.approx(float(theirs), rel=1e-3)


def functions_of(path: Any, names: set[str], known: dict[str, Any]) -> dict[str, Any]:
    """Functions of a script that can't be imported: it is TensorFlow's, and trains at once."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kept = [
        one
        for one in tree.body
        if isinstance(one, ast.FunctionDef) and one.name in names
    ]
    exec(compile(ast.Module(kept, []), str(path), "exec"), known)
    return known


class Session:
    """Answers what Bilateral's code asks of TensorFlow: the gradient of its attack's loss."""

    def __init__(self, net: nn.Module) -> None:
        self.net = net

    def run(self, _: Any, feed_dict: dict[str, Any]) -> np.ndarray:
        images = torch.tensor(feed_dict["images"]).requires_grad_()
        logits = self.net((images + 1) / 2)
        labels = torch.tensor(feed_dict["labels"])
        loss = functional.cross_entropy(logits, labels, reduction="sum")
        return torch.autograd.grad(loss, images)[0].numpy()


@pytest.mark.parametrize("kind", ["MC", "RAND"])
def test_bilateral_s_images_and_labels(noise, monkeypatch, kind) -> None:
    script = place_of("wjyouch/bilateral-adversarial-training") / "train.py"
    batch, net, epsilon = digits(), Net(), 8 / 255
    flags = {"num_classes": CLASSES, "multi": 9, "targeted": True, "target_type": kind}
    flags |= {"epsilon": 8.0, "step_size": 8.0, "num_steps": 1, "random_start": True}
    known = {
        **{"np": np, "FLAGS": SimpleNamespace(**flags), "sess": Session(net)},
        **{"grad": None, "x_pl": "images", "y_loss": "labels", "is_train": "training"},
        "one_hot": lambda labels, classes: np.eye(classes)[labels],
    }
    theirs = functions_of(script, {"adv_attack", "adv_labels"}, known)
    logits = net(batch.images).detach()
    objective = {"objective": "targeted", "target": "likeliest"}
    if kind == "RAND":
        objective["target"] = "random"
        stream = draw()
        told = build_threat(
            ThreatSpec(**threat("unclipped", objective, 1, epsilon)), {}
        )
        answered = replace(batch, clean_logits=logits)
        aims = told.attack.objective.aim(answered, Victim.of(net), stream)
        aims = iter(aims.tolist())
        monkeypatch.setattr(np.random, "choice", lambda *_, **__: next(aims))
    else:
        stream = draw()
        told = build_threat(
            ThreatSpec(**threat("unclipped", objective, 1, epsilon)), {}
        )
    start = 2 * epsilon * (2 * stream.uniform(batch.images.shape) - 1).double().numpy()
    monkeypatch.setattr(np.random, "uniform", lambda *_: start)
    images = theirs["adv_attack"](
        logits.numpy().copy(), (2 * batch.images - 1).numpy(), batch.labels.numpy()
    )
    ours = told(net, batch, draw())
    assert torch.allclose(ours, torch.tensor((images + 1) / 2), atol=1e-9)
    labels = theirs["adv_labels"](logits.softmax(1).numpy(), batch.labels.numpy())
    own = adversarial_labels(logits, batch.labels, beta=9.0, gamma=0.01)
    # Its 1e-8 keeps a logarithm finite.
    assert torch.allclose(own, torch.tensor(labels), atol=1e-5)
