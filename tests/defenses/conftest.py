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


def threat(edit: dict[str, Any], steps: int = 2) -> dict[str, Any]:
    return {"edit": edit, "objective": {"objective": "cross_entropy"}, "steps": steps}


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
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every recipe in turn where a test asks for `recipe_name`; a new one included."""
    if "recipe_name" in metafunc.fixturenames:
        metafunc.parametrize("recipe_name", words("recipe"))


@pytest.fixture
def recipe_entry():
    """A recipe's entry in a spec; a new recipe needs one here."""
    return lambda name: RECIPES[name]


@pytest.fixture
def spec_of(toy_dataset, toy_architecture):
    """The spec of a small training."""

    def spec_of(recipe: str = "at", snapshots: int = 2, **schedule: Any) -> DefenseSpec:
        course = {"epochs": 4, "batch": 16, "learning_rate": 0.1, **schedule}
        return DefenseSpec(
            name=recipe,
            dataset=toy_dataset,
            augmentation={"pad": 1},
            architecture=toy_architecture,
            recipe=RECIPES[recipe],
            schedule=course,
            snapshots=snapshots,
            seed=0,
        )

    return spec_of
