"""Every recipe trains on a GPU to the bytes of the CPU, and seldom makes it wait.

The GPU is pretended (tests/pretended_gpu.py).
"""

import copy
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline_steps.core.step import run
from pipeline_steps.core.tensors import read_tensors
from pipeline_steps.datasets.loader import ImageSet
from pipeline_steps.datasets.streamed import StreamedImages
from pipeline_steps.defenses import train_defense as step
from pipeline_steps.defenses.spec import DefenseSpec, MonitorSpec
from pipeline_steps.defenses.train_defense import train_defense
from pipeline_steps.manifolds.manifold_set import NOTHING, Projected
from tests.job_words import job_words
from tests.pretended_gpu import NAME, pretended

CPU = torch.device("cpu")
STEP = "defenses.train_defense"
ROLES = ("weights", "snapshots", "history", "card", "record")
EVERYTHING = {"ema": 0.9, "norm_limit": 0.5, "nesterov": True, "weight_decay": 1e-3}


@pytest.fixture
def trained(toy_images, toy_generator, tmp_path):
    """The weights and losses of a training on a device, and what waited for it."""

    def trained(spec, device, searched=False, streamed=False):
        generator = copy.deepcopy(toy_generator).to(device)
        projected, images = NOTHING, toy_images.images.to(device)
        if searched:  # as if it could not encode
            latents = toy_generator.encode(toy_images.images / 255).numpy()
            generator.exact = False
            projected = Projected({generator.name: latents})
        if streamed:
            images = StreamedImages(toy_images.images.numpy(), device)
        data = ImageSet(images, toy_images.labels.to(device))
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        model, losses = train_defense(
            spec, data, {"toy": generator}, folder, device, projected
        )
        return {n: t.cpu() for n, t in model.state_dict().items()}, losses

    return trained


@pytest.fixture
def on_both(trained):
    """Holds a training to the same bytes on both devices; gives what waited."""

    def on_both(spec, **how):
        here, losses = trained(spec, CPU, **how)
        with pretended() as gpu:
            there, again = trained(spec, torch.device(NAME), **how)
        assert again == losses
        for name, tensor in here.items():
            assert torch.equal(there[name], tensor), name
        return gpu.waits

    return on_both


def in_a_step(on_both, spec, **how) -> Counter[str]:
    """What waits in each of four steps more, however long the rest of a job takes."""
    few, many = (
        on_both(spec.model_copy(update={"steps": steps}), **how) for steps in (2, 6)
    )
    return Counter({line: (count - few[line]) / 4 for line, count in many.items()})


def test_a_recipe_ends_in_the_same_weights_and_a_step_waits_once(
    recipe_name, spec_of, on_both
):
    spec = spec_of(recipe_name, snapshots=0, **EVERYTHING)
    waits = in_a_step(on_both, spec)
    transport = [line for line in waits if "optimal_transport" in line]
    # It stops once it has settled, so it asks after each of its passes.
    assert bool(transport) == (recipe_name == "feature_scattering")
    assert waits.total() - sum(waits[line] for line in transport) == 1


AUGMENTED = {"pad": 1, "flip": True, "cutout": 3}
HOW = {
    "augmented": ("at", {}, {"augmentation": AUGMENTED}),
    "from latents that were sought": ("dmat", {"searched": True}, {}),
    "moved latents that were sought": (
        "ijsat",
        {"searched": True},
        {"augmentation": AUGMENTED},
    ),
    "from the disk": ("at", {"streamed": True}, {}),
}


@pytest.mark.parametrize(("recipe", "how", "more"), HOW.values(), ids=HOW)
def test_nor_does_a_step_wait_more_often(recipe, how, more, spec_of, on_both):
    spec = spec_of(recipe, snapshots=0)
    spec = DefenseSpec.model_validate(spec.model_dump() | more)
    assert in_a_step(on_both, spec, **how).total() == 1


def test_lower_precision_gives_the_same_weights(spec_of, on_both):
    on_both(spec_of("ijsat", precision="bfloat16"))


@pytest.fixture
def run_training(tmp_path, toy_files, spec_of, recipe_entry, monkeypatch):
    """Runs the whole step in a folder, with a monitor; gives its outputs' bytes."""
    threat = recipe_entry("at")["threat"]
    monitor = MonitorSpec(threat=threat, every=1, images=12, of="held_out")
    spec = spec_of("at", epochs=2, **EVERYTHING)
    spec = spec.model_copy(update={"monitor": monitor})
    roles = ("images", "labels")
    inputs = {role: toy_files[f"train_{role}"] for role in roles}
    inputs |= {f"{role}_card": toy_files["card"] for role in roles}

    def run_training(name: str) -> dict[str, bytes]:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        outputs = {role: Path(role) for role in ROLES}
        run(STEP, DefenseSpec, step.main, job_words(STEP, spec, outputs, inputs))
        return {role: (folder / role).read_bytes() for role in ROLES[:-1]}

    return run_training


def test_the_whole_step_leaves_the_same_files_also_resumed(run_training, monkeypatch):
    here = run_training("here")
    with pretended():
        assert run_training("there") == here
        monkeypatch.setenv("PIPELINE_DEADLINE", "0")
        for _ in range(3):
            with pytest.raises(SystemExit):
                run_training("resumed")
        assert run_training("resumed") == here
    names = read_tensors(Path("snapshots"))
    assert any(name.startswith("best/") for name in names)


def test_a_tensor_on_the_wrong_device_is_found(spec_of, trained, monkeypatch):
    """As if a line of the loop had forgotten to send its labels."""
    honest = ImageSet.augmented

    def forgetful(self, *arguments):
        images, labels, moves = honest(self, *arguments)
        return images, labels.cpu(), moves

    monkeypatch.setattr(ImageSet, "augmented", forgetful)
    trained(spec_of("at", epochs=1), CPU)
    with pretended(), pytest.raises(RuntimeError, match="on the same device"):
        trained(spec_of("at", epochs=1), torch.device(NAME))


def test_latents_of_some_rows_come_to_the_device():
    projected = Projected({"gan": np.arange(6.0, dtype=np.float32).reshape(3, 2)})
    with pretended() as gpu:
        there = projected.of(torch.tensor([2, 0]), torch.device(NAME))["gan"]
        assert there.device.type == NAME and not gpu.waits
        assert there.tolist() == [[4.0, 5.0], [0.0, 1.0]]
