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


RECIPES = {
    "normal": {"recipe": "normal"},
    "at": {"recipe": "at", "threat": threat(PIXEL)},
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
        "threat": threat(PIXEL, 1, {"objective": "discriminator"}),
        "classes": 3,
        "smoothing": 0.1,
        "share": 0.1,
    },
}
# What a recipe trains along with the network.
COMPANIONS = {"atld": {"architecture": "small_cnn", "width": 4}}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every recipe in turn where a test asks for `recipe_name`; a new one included."""
    if "recipe_name" in metafunc.fixturenames:
        metafunc.parametrize("recipe_name", words("recipe"))


@pytest.fixture
def recipe_entry():
    """A recipe's entry in a spec; a new recipe needs one here."""
    return lambda name: RECIPES[name]


@pytest.fixture
def network_of(toy_architecture):
    """The entry of a small network for a recipe, with its companion if it has one."""

    def network_of(recipe: str) -> dict[str, Any]:
        companion = COMPANIONS.get(recipe)
        return {**toy_architecture, **({"companion": companion} if companion else {})}

    return network_of


@pytest.fixture
def spec_of(toy_dataset, network_of):
    """The spec of a small training."""

    def spec_of(recipe: str = "at", snapshots: int = 2, **schedule: Any) -> DefenseSpec:
        course = {"epochs": 4, "batch": 16, "learning_rate": 0.1, **schedule}
        return DefenseSpec(
            name=recipe,
            dataset=toy_dataset,
            augmentation={"pad": 1},
            architecture=network_of(recipe),
            recipe=RECIPES[recipe],
            schedule=course,
            snapshots=snapshots,
            seed=0,
        )

    return spec_of
