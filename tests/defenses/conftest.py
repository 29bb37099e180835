"""Specs of small trainings, one for each recipe."""

from typing import Any

import pytest

from pipeline_steps.core.registry import words
from pipeline_steps.defenses.spec import DefenseSpec

PIXEL = {
    "perturbation": "pixel",
    "epsilon": 0.05,
    "step_size": 0.02,
    "start_at": "random",
    "boxed": True,
}
LATENT = {
    "perturbation": "latent",
    "generator": {"name": "toy", "generator": "glow"},
    "epsilon": 0.05,
    "step_size": 0.02,
    "start_at": "random",
}
JOINT = {"perturbation": "together", "parts": [LATENT, {**PIXEL, "boxed": False}]}


CROSS_ENTROPY = {"objective": "cross_entropy"}


def threat(
    edit: dict[str, Any], steps: int = 2, objective: dict[str, Any] = CROSS_ENTROPY
) -> dict[str, Any]:
    return {"edit": edit, "objective": objective, "steps": steps}


# Small steps from close by, that raise the divergence from the clean prediction.
KL = threat({**PIXEL, "start_at": "nearby"}) | {"objective": {"objective": "kl"}}
DUAL = {"generator": LATENT["generator"], "image": KL, "latent": threat(LATENT)}
RECIPES = {
    "normal": {"recipe": "normal"},
    "cutout": {"recipe": "cutout", "side": 3},
    "mixup": {"recipe": "mixup", "classes": 3},
    "at": {"recipe": "at", "threat": threat(PIXEL)},
    "iat": {"recipe": "iat", "threat": threat(PIXEL), "classes": 3},
    "trades": {"recipe": "trades", "threat": KL},
    "mart": {"recipe": "mart", "threat": threat(PIXEL)},
    "adv_prop": {"recipe": "adv_prop", "threat": threat(PIXEL)},
    "rlat": {"recipe": "rlat", "epsilon": 0.2},
    "dmat": {"recipe": "dmat", **DUAL, "image": threat(PIXEL)},
    "dmat_trades": {"recipe": "dmat_trades", **DUAL},
    "ijsat": {
        "recipe": "ijsat",
        "threat": threat(JOINT),
        "classes": 3,
        "tau": 0.1,
        "mixed_per": "batch",
    },
    "bilateral": {
        "recipe": "bilateral",
        "threat": threat(PIXEL, 1, {"objective": "targeted", "target": "likeliest"}),
    },
    "feature_scattering": {
        "recipe": "feature_scattering",
        "threat": threat(PIXEL, 1, {"objective": "optimal_transport"}),
        "classes": 3,
        "smoothing": 0.1,  # or nothing would be left of three classes to learn
    },
    "atld": {
        "recipe": "atld",
        # What holds of all recipes holds of this mode. `batch`, the default, ties the
        # images of an attack together; test_defenses_atld.py has its own laws.
        "companion_mode": "running",
        "threat": threat(PIXEL, 1, {"objective": "discriminator"}),
        "classes": 3,
        "smoothing": 0.1,
        "share": 0.1,
    },
}
# What a recipe trains along: it sees three logits, and tells natural beside the classes.
DISCRIMINATOR = {"architecture": "small_cnn", "channels": 3, "classes": 4, "width": 4}
COMPANIONS = {"atld": DISCRIMINATOR}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every recipe in turn where a test asks for `recipe_name`; a new one included."""
    if "recipe_name" in metafunc.fixturenames:
        metafunc.parametrize("recipe_name", words("recipe"))


@pytest.fixture
def recipe_entry():
    """A recipe's entry in a spec; a new recipe needs one here."""
    return lambda name: RECIPES[name]


@pytest.fixture
def architecture_of(toy_architecture):
    """The network that a recipe trains, with its companion if it has one."""

    def architecture_of(recipe: str) -> dict[str, Any]:
        if recipe == "adv_prop":
            return {"architecture": "auxiliary_norm", "network": toy_architecture}
        if recipe in COMPANIONS:
            return {**toy_architecture, "companion": COMPANIONS[recipe]}
        return toy_architecture

    return architecture_of


@pytest.fixture
def spec_of(toy_dataset, architecture_of):
    """The spec of a small training."""

    def spec_of(recipe: str = "at", snapshots: int = 2, **schedule: Any) -> DefenseSpec:
        course = {"epochs": 4, "batch": 16, "learning_rate": 0.1, **schedule}
        return DefenseSpec(
            name=recipe,
            dataset=toy_dataset,
            augmentation={"pad": 1},
            architecture=architecture_of(recipe),
            recipe=RECIPES[recipe],
            schedule=course,
            snapshots=snapshots,
            seed=0,
        )

    return spec_of
