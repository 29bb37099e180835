"""Projection finds the latents that made an image, and the nearest ones of any other."""

import copy
import math

import numpy as np
import pandas as pd
import pytest
import torch

from pipeline_steps.core.arrays import read_array, write_array
from pipeline_steps.core.card import Card, file_facts
from pipeline_steps.core.errors import Interrupted, PipelineError
from pipeline_steps.core.rng import image_rng, rng
from pipeline_steps.generators.style_layers import Styled
from pipeline_steps.generators.stylegan import Stylegan
from pipeline_steps.manifolds import perceptual as features
from pipeline_steps.manifolds import project_dataset as step
from pipeline_steps.manifolds import project_images
from pipeline_steps.manifolds.distances import psnr
from pipeline_steps.manifolds.projection import Search, learning_rate, noise
from pipeline_steps.manifolds.spec import ManifoldSpec, Projection
from tests.job_words import job_words
from tests.pretended_gpu import NAME, pretended

HOW = Projection(iterations=300, pixel_weight=20)


def sought(generator, perceptual, images, how=HOW, rows=None):
    """The latents of images, and the mean loss at each step."""
    search = Search(generator, perceptual, how, rng(0, "mean"))
    search.aim_at(images)
    rows = rows if rows is not None else range(len(images))
    losses = [
        search.step(i, image_rng(0, rows, "noise", i)).mean().item()
        for i in range(search.steps)
    ]
    return search.latents, losses


def test_images_that_the_generator_made_are_found_again(toy_gan, perceptual):
    images = toy_gan.sample(12, rng(0, "made"))
    latents, _ = sought(toy_gan, perceptual, images)
    assert psnr(toy_gan.decode(latents), images).min() > 35


def test_what_a_stylegan_decodes_is_found_again_in_w_plus(perceptual):
    """From the mean style, at DMAT's rates, noise and weight; only the steps are fewer.

    Styles are made gentle, as training makes them: with fresh ones AdaIN jumps. Samples
    can't be found so, for each has a noise of its own that no style can make up for.
    """
    stylegan = Stylegan(3, 8, width=16, base=64, mapping=2).eval().requires_grad_(False)
    for layer in (layer for layer in stylegan.modules() if isinstance(layer, Styled)):
        layer.style.weight *= 0.3
        layer.noise_scale.fill_(0.1)
    styles = stylegan.styles(rng(0, "made").normal([6, 16]))
    images = stylegan.decode(styles.repeat(1, stylegan.rows))
    latents, _ = sought(stylegan, perceptual, images, Projection(iterations=200))
    assert psnr(stylegan.decode(latents), images).min() > 35
    samples = stylegan.sample(6, rng(0, "made"), temperature=1.0)
    latents, _ = sought(stylegan, perceptual, samples, Projection(iterations=60))
    assert psnr(stylegan.decode(latents), samples).max() < 25


def test_of_other_images_the_distance_falls_steadily(toy_gan, perceptual):
    coarse = rng(0, "others").uniform([12, 3, 4, 4])
    images = torch.nn.functional.interpolate(coarse, scale_factor=2)
    _, losses = sought(toy_gan, perceptual, images)
    tenths = np.array(losses).reshape(10, -1).mean(1)
    assert (np.diff(tenths) < 1e-3 * tenths[0]).all()
    assert tenths[-1] < 0.95 * tenths[0]


def test_an_image_s_latents_do_not_depend_on_its_company(toy_gan, perceptual):
    images = rng(0, "others").uniform([6, 3, 8, 8])
    how = HOW.model_copy(update={"iterations": 40})
    whole, _ = sought(toy_gan, perceptual, images, how)
    alone, _ = sought(toy_gan, perceptual, images[4:], how, rows=range(4, 6))
    assert torch.allclose(whole[4:], alone, atol=1e-4)


def test_the_search_is_torch_s_adam(toy_gan, perceptual):
    """Without noise, and with a rate that stays, it is Adam of the plain sum of losses."""
    images = rng(0, "others").uniform([5, 3, 8, 8])
    how = Projection(
        iterations=25,
        ramp_up=0,
        ramp_down=0,
        noise=0,
        pixel_weight=20,
        learning_rate=0.02,
    )
    found, _ = sought(toy_gan, perceptual, images, how)
    latents = torch.zeros(5, toy_gan.dimensions, requires_grad=True)
    optimiser = torch.optim.Adam([latents], lr=0.02)
    for _ in range(25):
        projected = toy_gan.decode(latents)
        pixels = (projected - images).abs().mean((1, 2, 3))
        optimiser.zero_grad()
        (perceptual(projected, images) + 20 * pixels).sum().backward()
        optimiser.step()
    assert torch.allclose(found, latents, atol=1e-5)


def test_rate_and_noise_take_the_published_course():
    how = Projection()
    assert learning_rate(how, 0) == 0
    assert learning_rate(how, 0.025) == pytest.approx(0.05)
    assert learning_rate(how, 0.05) == learning_rate(how, 0.75) == pytest.approx(0.1)
    assert learning_rate(how, 0.875) == pytest.approx(0.05)
    assert learning_rate(how, 1) == pytest.approx(0)
    assert noise(how, 0) == 0.05
    assert noise(how, 0.375) == pytest.approx(0.05 / 4)
    assert noise(how, 0.75) == noise(how, 0.9) == 0


def test_psnr_is_in_decibels():
    images = torch.zeros(2, 3, 4, 4)
    told = psnr(images + torch.tensor([0.1, 0.0])[:, None, None, None], images)
    assert told[0].item() == pytest.approx(20) and told[1] == 120
    assert math.isclose(10 ** (-told[0].item() / 10), 0.01, rel_tol=1e-6)


COUNT, BATCH = 20, 6


@pytest.fixture
def place(tmp_path, monkeypatch, toy_gan, perceptual):
    """A data set, and the toy in the place of the generator that a spec names."""
    monkeypatch.chdir(tmp_path)
    images = 255 * rng(0, "images").uniform([COUNT, 3, 8, 8])
    write_array(tmp_path / "images.npy", images.numpy().astype(np.uint8))
    for name in ("images", "generator", "features"):
        if name != "images":
            (tmp_path / f"{name}.npy").write_text(name)
        roles = {
            "images": "train_images",
            "generator": "weights",
            "features": "archive",
        }
        outputs = {roles[name]: file_facts(tmp_path / f"{name}.npy")}
        Card("any", {}, {}, {}, outputs).seen_from(tmp_path).write(
            tmp_path / f"{name}.json"
        )
    monkeypatch.setattr(project_images, "load_generator", lambda *_: toy_gan)
    monkeypatch.setattr(features, "load_perceptual", lambda *_: perceptual)
    return tmp_path


def shard(number=1, of=1, projection=True):
    how = {"iterations": 30, "pixel_weight": 20}
    return ManifoldSpec.model_validate(
        {
            "dataset": {"name": "noise", "classes": 2, "size": 8, "channels": 3},
            "split": "train",
            "generator": {"name": "toy", "generator": "glow", "size": 8, "channels": 3},
            "batch": BATCH,
            "projection": how if projection else None,
            "features": {"published": "toy"},
            "shard": {"number": number, "of": of},
        }
    )


def project(spec, out):
    roles = ("latents", "images", "errors", "pictures", "card", "record")
    inputs = ("images", "generator", "features")
    name = "manifolds.project_dataset"
    words = [f"{name}={name}.npy" for name in inputs]
    words += [f"{name}_card={name}.json" for name in inputs]
    outputs = [f"{role}={out}/{role}" for role in roles]
    arguments = job_words(name, spec, outputs, words)
    step.run(name, ManifoldSpec, step.main, arguments)


def test_shards_come_to_the_bytes_of_one(place):
    project(shard(), "whole")
    for number in (1, 2, 3, 4):
        project(shard(number, 4), f"part{number}")
    whole = read_array(place / "whole/latents")
    parts = [read_array(place / f"part{n}/latents") for n in (1, 2, 3, 4)]
    assert np.array_equal(whole, np.concatenate(parts))


def test_on_a_gpu_latents_are_the_same_and_a_step_never_waits(
    place, toy_gan, monkeypatch
):
    project(shard(), "cpu")
    with pretended() as gpu:
        there = copy.deepcopy(toy_gan).to(torch.device(NAME))
        monkeypatch.setattr(project_images, "load_generator", lambda *_: there)
        project(shard(), "gpu")
    here, away = (read_array(place / d / "latents") for d in ("cpu", "gpu"))
    # Sums add in another order where numbers lie otherwise in memory.
    assert np.allclose(here, away, rtol=0, atol=1e-4)
    assert not [line for line in gpu.waits if "/projection.py" in line], gpu.waits


def test_each_image_has_its_distances(place):
    project(shard(), "out")
    table = pd.read_parquet(place / "out/errors")
    assert set(table) == {"image", "worst", "mean", "psnr", "perceptual", "distance"}
    expected = table["perceptual"] + 20 * table["mean"]
    assert np.allclose(table["distance"], expected, rtol=1e-4)


def test_a_killed_projection_ends_in_the_same_bytes(place, monkeypatch, toy_gan):
    project(shard(), "undisturbed")
    decode, asked = type(toy_gan).decode, []

    def killed(self, latents):
        asked.append(len(latents))
        if len(asked) == 75:  # amid the third of four batches
            import os
            import signal

            os.kill(os.getpid(), signal.SIGTERM)
        return decode(self, latents)

    with monkeypatch.context() as patch:
        patch.setattr(type(toy_gan), "decode", killed)
        with pytest.raises((Interrupted, SystemExit)):
            project(shard(), "killed")
        assert not (place / "killed/latents").exists()
        before = len(asked)
        project(shard(), "killed")
    assert len(asked) - before < before, "it began again"
    for role in ("latents", "images", "errors", "pictures"):
        one, other = (place / out / role for out in ("undisturbed", "killed"))
        assert one.read_bytes() == other.read_bytes(), role


def test_a_generator_that_cannot_encode_asks_for_a_projection(place, capsys):
    with pytest.raises(SystemExit, match="1"):
        project(shard(projection=False), "out")
    assert "say how under `projection`" in capsys.readouterr().err


def test_latents_of_another_generator_are_refused(tmp_path, toy_gan):
    from pipeline_steps.manifolds.manifold_set import load_projected

    write_array(tmp_path / "latents.npy", np.zeros((4, 5), np.float32))
    with pytest.raises(
        PipelineError, match="not one of 12 numbers for each of 4 images"
    ):
        load_projected({"toy": toy_gan}, [tmp_path / "latents.npy"], 4)
