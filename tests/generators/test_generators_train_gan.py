"""A GAN learns, grows on time, and ends in the same bytes however often it was stopped."""

import json
import re
import shutil
import signal
import time

import numpy as np
import pytest
import torch
from yaml_edits import set_key

from pipeline_steps.cluster.work import Work
from pipeline_steps.config.load import load_config
from pipeline_steps.config.yaml_files import FOLDER
from pipeline_steps.core import pace
from pipeline_steps.core.arrays import write_array
from pipeline_steps.core.card import Card, file_facts, read_card
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import ROOT
from pipeline_steps.core.rng import rng
from pipeline_steps.core.step import INTERRUPTED
from pipeline_steps.datasets.loader import ImageSet
from pipeline_steps.generators.adversarial import discriminator_loss
from pipeline_steps.generators.generator import load_generator
from pipeline_steps.generators.judging import Judge
from pipeline_steps.generators.resolution import Growth
from pipeline_steps.generators.spec import GanSpec, GanTraining
from pipeline_steps.generators.stages import GrowthSchedule
from pipeline_steps.generators.train_gan import (
    COLUMNS,
    Gan,
    train_gan,
)
from pipeline_steps.jobs.specs import Specs
from tests.pretended_gpu import NAME, pretended

CPU = torch.device("cpu")
STEP = "generators.train_gan"
ROLES = {
    "weights": "weights.safetensors",
    "history": "history.csv",
    "card": "card.json",
    "record": "record.json",
}
TINY = {
    "stylegan": {"width": 8, "base": 32, "mapping": 2},
    "sngan": {"latents": 8, "width": 8, "judging_width": 8},
}
USUAL = {
    "stylegan": {
        **{"loss": "logistic", "penalty": 2.5, "second_moment": 0.99, "mixing": 0.9},
        **{"average": 50, "grow_from": 8, "growth_images": 32},
    },
    "sngan": {"loss": "hinge", "critics": 2, "second_moment": 0.9, "fall": True},
}
gans = pytest.mark.parametrize("gan", ["stylegan", "sngan"])


def bars(count, seed=0, size=16):
    """A bright column on black, whose place is the class."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 3, count)
    images = draw.integers(0, 20, [count, 3, size, size])
    for image, label in zip(images, labels, strict=True):
        image[:, :, 5 * label + 1 : 5 * label + 4] += 200
    return images.astype(np.uint8), labels


def image_set(count=64):
    images, labels = bars(count)
    return ImageSet(torch.from_numpy(images), torch.from_numpy(labels))


def spec_of(gan, seed=0, **training):
    judge = {"images": 48, "times": 2, "steps": 30, "width": 4}
    usual = {"images": 160, "batch": 8, "learning_rate": 2e-3, "judge": judge}
    model = TINY[gan] | {"name": gan, "generator": gan, "size": 16, "channels": 3}
    return GanSpec.model_validate(
        {
            "dataset": {"name": "bars", "classes": 3, "size": 16, "channels": 3},
            "model": model,
            "training": usual | USUAL[gan] | training,
            "seed": seed,
        }
    )


def trained(spec, folder, data=None):
    data = data or image_set()
    return train_gan(spec, data, Judge(spec, data, None), folder, CPU)


def growing(**told):
    usual = {"images": 1000, "batch": 10, "learning_rate": 1.0, "loss": "hinge"}
    usual |= {"second_moment": 0.9, "grow_from": 8, "growth_images": 100}
    return GanTraining.model_validate(usual | {"judge": {"images": 9}} | told)


def test_a_gan_grows_by_the_published_schedule():
    """Train at 8 px, then fade in and train each further one.

    See docs/methods/generators.md#stylegan.
    """
    lower = [{"size": 8, "batch": 20, "learning_rate": 0.5}]
    growth_schedule = GrowthSchedule(growing(lower=lower), 32)
    told = [(s.size, s.fading, s.steps, s.batch) for s in growth_schedule.stages]
    assert told == [
        (8, False, 5, 20),
        (16, True, 10, 10),
        (16, False, 10, 10),
        (32, True, 10, 10),
        (32, False, 60, 10),
    ]
    assert growth_schedule.images(growth_schedule.steps) == 1000
    moments = [growth_schedule.at(step) for step in range(growth_schedule.steps)]
    assert [k for k, m in enumerate(moments) if m.opens] == [0, 5, 15, 25, 35]
    fading = [m.growth for m in moments[5:15]]
    assert fading == [Growth(16, k / 10) for k in range(10)]
    assert moments[15].growth == Growth(16) and moments[-1].growth == Growth(32)
    assert moments[0].stage.learning_rate == 0.5


def test_without_growth_there_is_one_stage():
    growth_schedule = GrowthSchedule(growing(grow_from=0, growth_images=0), 32)
    assert [(s.size, s.steps, s.fading) for s in growth_schedule.stages] == [
        (32, 100, False)
    ]


def test_more_growth_than_training_is_refused():
    with pytest.raises(PipelineError, match="raise images or lower growth_images"):
        GrowthSchedule(growing(), 256)


def test_r1_is_the_squared_slope_at_real_images():
    """Of a linear judgement it is known: γ/2 times its squared weights, times size²."""
    weights = rng(0, "test").normal([3, 4, 4])

    class Linear(torch.nn.Module):
        def forward(self, images, growth):
            return (weights * images).sum((1, 2, 3))

    real, fake = rng(1, "test").uniform([2, 5, 3, 4, 4])
    plain, with_r1 = (
        discriminator_loss(Linear(), real.clone(), fake, Growth(4), growing(penalty=p))
        for p in (0.0, 2.5)
    )
    slope = float((with_r1 - plain).detach())
    assert slope == pytest.approx(1.25 * float(weights.square().sum()), rel=1e-4)


def test_optimisers_forget_where_fading_begins_and_where_it_ends():
    spec, data = spec_of("stylegan"), image_set()
    gan, growth_schedule = Gan(spec, CPU), GrowthSchedule(spec.training, 16)
    steps = []
    for step in range(10):
        gan.step(data, step, growth_schedule.at(step), 1.0)
        both = [optimiser.state.values() for optimiser in gan.optimisers]
        steps.append({int(state["step"]) for states in both for state in states})
    # Four steps at 8 pixels, four while 16 fade in, and the rest.
    assert [max(s) for s in steps] == [1, 2, 3, 4, 1, 2, 3, 4, 1, 2]


@gans
def test_training_brings_images_nearer(gan, tmp_path):
    """Nearer than its first weights are, by the same judge."""
    rates = {"images": 480, "learning_rate": 5e-3}
    if gan == "stylegan":
        rates |= {"average": 50, "penalty": 0.1}
    spec, data = spec_of(gan, **rates), image_set()
    judge = Judge(spec, data, None)
    fresh = Gan(spec, CPU).generator.eval()
    before = judge.distance(fresh, Growth(16), 0)
    model, rows = train_gan(spec, data, judge, tmp_path, CPU)
    assert rows[-1][-1] < 0.75 * before
    made = model.sample(8, rng(0, "test"), 1.0)
    assert made.shape == (8, 3, 16, 16) and not model.training


@gans
def test_the_same_seed_gives_the_same_generator(gan, tmp_path):
    a, b, c = (
        trained(spec_of(gan, seed=seed, images=80), tmp_path / name)[0].state_dict()
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert any(not torch.equal(a[name], c[name]) for name in a)


def test_kept_weights_are_an_average_over_images():
    """After as many images as `average`, half of what they were is forgotten."""
    gan = Gan(spec_of("stylegan", average=80), CPU)
    before = gan.kept.blocks[0].constant.clone()
    with torch.no_grad():
        gan.generator.blocks[0].constant.add_(1)
    for _ in range(10):
        gan._average(8)
    assert torch.allclose(gan.kept.blocks[0].constant - before, torch.tensor(0.5))


def test_a_judge_finds_real_images_near_and_noise_far(tmp_path):
    spec, data = spec_of("sngan"), image_set()

    class Made:
        def __init__(self, images):
            self.images = images

        def imagine(self, count, draw, growth):
            return self.images[:count]

    judge = Judge(spec, data, None)
    other = torch.from_numpy(bars(64, seed=1)[0]).float() / 255
    noise = rng(0, "test").uniform(other.shape)
    near, far = (judge.distance(Made(i), Growth(16), 0) for i in (other, noise))
    assert near < 0.1 * far
    again = Judge(spec, data, None)
    again.load_state_dict(judge.state_dict())
    assert again.network.trained
    assert again.distance(Made(other), Growth(16), 0) == near


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A data set on the disk, as the step takes it."""
    folder = tmp_path_factory.mktemp("bars")
    images, labels = bars(64)
    write_array(folder / "images.npy", images)
    write_array(folder / "labels.npy", labels)
    facts = {
        "train_images": file_facts(folder / "images.npy"),
        "train_labels": file_facts(folder / "labels.npy"),
    }
    Card("datasets.build_dataset", {}, {}, {}, facts).seen_from(folder).write(
        folder / "card.json"
    )
    return {
        "data": folder / "images.npy",
        "labels": folder / "labels.npy",
        "data_card": folder / "card.json",
        "labels_card": folder / "card.json",
    }


def told_by(folder):
    names = ("weights", "history", "card")
    return {name: (folder / ROLES[name]).read_bytes() for name in names}


@gans
def test_a_killed_run_ends_in_the_same_bytes(
    gan, shelf, tmp_path, run_step, start_step
):
    spec = spec_of(gan, images=400).model_dump(mode="json")
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    given = {"inputs": shelf | {"inception": ""}}
    ended = run_step(STEP, spec, ROLES, folder=tmp_path / "whole", **given)
    assert ended.returncode == 0, ended.stderr
    often = {"PIPELINE_SAVE_SECONDS": "0.2"}
    killed = tmp_path / "killed"
    process = start_step(STEP, spec, ROLES, folder=killed, environment=often, **given)
    while not list(killed.glob("results/.unfinished/*/state.safetensors")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    number = signal.SIGTERM if gan == "sngan" else signal.SIGKILL
    process.send_signal(number)
    process.communicate(timeout=60)
    expected = INTERRUPTED if number == signal.SIGTERM else -signal.SIGKILL
    assert process.returncode == expected
    ended = run_step(STEP, spec, ROLES, folder=killed, **given)
    assert ended.returncode == 0 and "resumed after step" in ended.stderr
    assert told_by(killed) == told_by(tmp_path / "whole")

    card = read_card(killed / ROLES["card"])
    assert card.metrics["frechet_features"] == "a classifier of this data set"
    assert card.metrics["frechet_images"] == 48
    history = (killed / ROLES["history"]).read_text().splitlines()
    assert history[0] == ",".join(COLUMNS) and len(history) == 3
    model = load_generator(spec["model"], killed / ROLES["weights"])
    assert card.metrics["latent_dimensions"] == model.dimensions
    latents = model.latent_statistics(rng(0, "test"), 10)[0][None]
    assert model.decode(latents).shape == (1, 3, 16, 16)
    assert not model.exact


@gans
def test_on_a_gpu_it_ends_in_the_same_weights_and_a_step_waits_once(gan, tmp_path):
    waits, steps = [], []
    for images in (96, 128):
        spec = spec_of(gan, images=images)
        stages = GrowthSchedule(spec.training, 16).stages
        steps.append(sum(stage.steps for stage in stages))
        here, judged = trained(spec, tmp_path / f"cpu-{images}")
        with pretended() as gpu:
            device = torch.device(NAME)
            whole = image_set()
            data = ImageSet(whole.images.to(device), whole.labels.to(device))
            judge = Judge(spec, data, None)
            folder = tmp_path / f"gpu-{images}"
            there, again = train_gan(spec, data, judge, folder, device)
            weights = {n: t.cpu() for n, t in there.state_dict().items()}
        # Sums over features may differ in the last digit.
        assert again == [pytest.approx(row, rel=1e-9) for row in judged]
        for name, tensor in here.state_dict().items():
            assert torch.equal(weights[name], tensor), name
        waits.append(gpu.waits.total())
    assert waits[1] - waits[0] == steps[1] - steps[0] > 0


@gans
def test_two_processes_train_what_one_does(gan, shelf, tmp_path, run_step):
    trained = []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        folder.mkdir()
        spec = spec_of(gan, images=64, growth_images=24 if gan == "stylegan" else 0)
        ended = run_step(
            STEP,
            spec.model_dump(mode="json"),
            ROLES,
            inputs=shelf,
            processes=processes,
            folder=folder,
        )
        assert ended.returncode == 0, ended.stderr
        model = spec.model_dump(mode="json")["model"]
        trained.append(load_generator(model, folder / ROLES["weights"]))
    # Adam divides by gradients' own size, so rounding moves weights whose gradients nearly
    # vanish: what the weights draw is compared, with how far training has moved it.
    fresh = Gan(spec, CPU).generator.eval()
    latents = rng(0, "test").normal([8, fresh.dimensions])
    with torch.no_grad():
        one, two, before = (model.decode(latents) for model in (*trained, fresh))
    assert (two - one).norm() < 0.02 * (one - before).norm()


def test_a_rate_too_high_ends_in_one_sentence(tmp_path):
    with pytest.raises(PipelineError, match=r"loss became .* lower the learning_rate"):
        trained(spec_of("sngan", learning_rate=1e30), tmp_path)


def test_another_file_than_inceptions_is_refused(shelf, tmp_path, run_step, a_sentence):
    (tmp_path / "weights.safetensors").write_bytes(b"other")
    spec = spec_of("sngan").model_copy(update={"inception": f"sha256:{'0' * 64}"})
    given = shelf | {"inception": tmp_path / "weights.safetensors"}
    outputs = {role: f"out/{name}" for role, name in ROLES.items()}
    ended = run_step(STEP, spec.model_dump(mode="json"), outputs, inputs=given)
    assert ended.returncode == 1
    assert "correct 'inception' in workflow/config" in a_sentence(ended.stderr)


@pytest.mark.parametrize("scale", ["demo", "small", "paper"])
def test_every_scale_trains_both(scale):
    """On the data sets that they are meant for there."""
    config = load_config(scale)
    plan = Specs(config)
    meant = {"stylegan": "mixed10", "sngan": "cifar10"}
    for gan, dataset in meant.items():
        dataset = plan.pages.stand_in(dataset)
        dataset = "digits" if scale == "demo" else dataset
        spec = plan.gan(dataset, gan)
        assert json.loads(spec.model_dump_json())["model"]["generator"] == gan
        assert GrowthSchedule(spec.training, spec.dataset.size).steps > 0


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        ("glow.training.epoch", 3, "unknown key 'epoch'; did you mean 'epochs'?"),
        ("sngan.training.critic", 1, "unknown key 'critic'; did you mean 'critics'?"),
        ("sngan.training.judge.images", 0, "input should be greater than 0, not 0"),
    ],
)
def test_a_wrong_key_of_a_training_is_told_by_its_place(tmp_path, place, value, told):
    """Flow or GAN is seen from the entry itself, and is no part of the place."""
    shutil.copytree(ROOT / FOLDER, tmp_path / FOLDER)
    set_key(tmp_path / FOLDER / "generators.yaml", place, value)
    with pytest.raises(PipelineError, match=re.escape(f", {place}: {told}")):
        load_config("paper", tmp_path)


def test_a_limit_holds_at_each_stage_and_the_images_are_judged_twice(tmp_path):
    """So a trial meets the largest resolution, and every other one."""
    spec = spec_of(
        "stylegan", judge={"images": 48, "times": 50, "steps": 5, "width": 4}
    )
    cut = spec.model_copy(update={"steps": 2})
    growth_schedule = GrowthSchedule(cut.training, 16, cut.steps)
    told = [(s.size, s.fading, s.steps) for s in growth_schedule.stages]
    assert told == [(8, False, 2), (16, True, 2), (16, False, 2)]
    pace.forget()
    _, rows = trained(cut, tmp_path)
    assert [row[0] for row in rows] == [3, 6]
    done = {unit: kind["done"] for unit, kind in pace.facts()["pace"].items()}
    assert done == Work("train_gan", cut.model_dump(mode="json"), 0, 0).units()
    assert done == {
        "steps at 8 px": 2,
        "steps at 16 px, fading": 2,
        "steps at 16 px": 2,
        "judgings": 2,
    }
