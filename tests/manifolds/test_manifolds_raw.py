"""What a GAN decodes, as it is: float32 that nothing clamps, where `decoded: raw` says so."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline_steps.core.arrays import read_array, write_array
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.rng import image_rng, rng
from pipeline_steps.datasets.loader import load_image_set
from pipeline_steps.datasets.spec import DatasetSpec
from pipeline_steps.datasets.streamed import StreamedImages
from pipeline_steps.defenses.load import new_model
from pipeline_steps.evaluation.verdicts import Judge
from pipeline_steps.generators.generator import build_generator
from pipeline_steps.generators.train_flow import read_images
from pipeline_steps.manifolds import project_images
from pipeline_steps.manifolds.manifold_set import load_projected
from pipeline_steps.manifolds.projection import Projection, Search
from pipeline_steps.manifolds.spec import ManifoldSpec
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.catalogue import build_threat
from pipeline_steps.threats.spec import ThreatSpec

DATASET = DatasetSpec(name="noise", classes=2, size=8)
COUNT, CPU = 10, torch.device("cpu")


class Loud(nn.Module):
    """A generator whose images leave [0, 1] on either side, as a StyleGAN's do."""

    exact, name = False, "toy"

    def __init__(self, gan: nn.Module, raw: bool) -> None:
        super().__init__()
        self.gan, self.raw, self.dimensions = gan, raw, gan.dimensions

    def decode(self, latents: Tensor) -> Tensor:
        return 5 * self.gan.decode(latents) - 2

    def latent_statistics(self, rng, count: int) -> tuple[Tensor, float]:
        return self.gan.latent_statistics(rng, count)

    def sample(self, count: int, rng, temperature: float = 1.0) -> Tensor:
        return 5 * self.gan.sample(count, rng, temperature) - 2


@pytest.fixture(params=[False, True], ids=["clamped", "raw"])
def gan(request, toy_gan):
    return Loud(toy_gan, raw=request.param)


@pytest.fixture
def latents(gan):
    return rng(0, "latents").normal([COUNT, gan.dimensions])


@pytest.fixture
def data(gan, latents, tmp_path):
    """The data set of what is decoded, as a projection writes it."""
    write_array(tmp_path / "labels.npy", np.arange(COUNT) % 3)
    images = gan.decode(latents)
    if not gan.raw:
        images = (255 * images.clamp(0, 1)).round().to(torch.uint8)
    write_array(tmp_path / "images.npy", images.numpy())
    return load_image_set(tmp_path / "images.npy", tmp_path / "labels.npy", CPU)


def test_a_projection_stores_what_is_decoded(gan, latents, perceptual, tmp_path):
    spec = ManifoldSpec.model_validate(
        {
            "dataset": DATASET,
            "generator": {"name": "toy", "generator": "sngan"},
            **{"split": "test", "batch": COUNT},
        }
    )
    search = Search(gan, perceptual, Projection(iterations=100), rng(0, "mean"))
    search.aim_at(gan.decode(latents).clamp(0, 1))
    for step in range(search.steps):
        search.step(step, image_rng(0, range(COUNT), "noise", step))
    project_images.keep(spec, search, range(COUNT), tmp_path)
    stored, decoded = read_array(tmp_path / "images.npy"), gan.decode(search.latents)
    assert decoded.min() < 0 and decoded.max() > 1
    if gan.raw:
        assert stored.dtype == np.float32
        assert np.array_equal(stored, decoded)
    else:
        assert stored.dtype == np.uint8
        assert np.array_equal(stored, (255 * decoded.clamp(0, 1)).round().byte())


def test_stored_floats_are_read_as_they_are(gan, latents, data):
    rows = torch.tensor([3, 0, 7])
    images, labels = data[rows]
    expected = gan.decode(latents)[rows]
    if not gan.raw:
        expected = expected.clamp(0, 1)
    assert images.dtype == torch.float32 and labels.tolist() == [0, 0, 1]
    assert (images - expected).abs().max() <= (0 if gan.raw else 0.51 / 255)
    streamed = StreamedImages(data.images.numpy(), CPU)
    assert torch.equal(streamed[rows], data.images[rows])


@pytest.fixture
def judged(gan, data, latents, tmp_path, toy_architecture):
    """What an attack makes of the data set."""
    model = new_model(toy_architecture, seed=0).eval()
    write_array(tmp_path / "latents.npy", latents.numpy())
    projected = load_projected({"toy": gan}, [tmp_path / "latents.npy"], COUNT)

    def by(edit):
        objective = {"objective": "cross_entropy"}
        spec = ThreatSpec(edit=edit, objective=objective, steps=2)
        threat = build_threat(spec, {"toy": gan})
        return Judge(model, data, threat, 0, projected=projected)(range(COUNT)).edited

    return by


LATENT = {
    "perturbation": "latent",
    "generator": {"name": "toy", "generator": "sngan"},
    **{"epsilon": 0.02, "step_size": 0.005},
}


def test_an_attack_in_latents_leaves_what_is_decoded(judged, gan, latents):
    edited = judged(LATENT)
    assert (edited.min() < 0 and edited.max() > 1) == gan.raw
    inside = gan.decode(latents).clamp(0, 1)
    assert 0 < (edited.clamp(0, 1) - inside).abs().max() < 0.1


def test_an_attack_in_pixels_ends_in_0_to_1(judged):
    """As DMAT's, which clips what it attacked, and not what it attacks."""
    edited = judged({"perturbation": "pixel", "epsilon": 0.05, "step_size": 0.02})
    assert edited.min() >= 0 and edited.max() <= 1


@pytest.mark.parametrize("gan", [False], indirect=True, ids=["clamped"])
def test_without_the_key_nothing_may_leave_0_to_1(judged):
    with pytest.raises(PipelineError, match="attacked images run from"):
        judged(LATENT | {"boxed": False})


def test_a_defense_learns_from_what_is_decoded(gan, data, latents):
    images, labels = data[torch.arange(COUNT)]
    batch = Batch(images, labels, projected={gan.name: latents})
    shown = batch.on_manifold(gan)
    assert torch.equal(shown, gan.decode(latents)) == gan.raw
    assert (shown.min() < 0 and shown.max() > 1) == gan.raw


@pytest.mark.parametrize("more", [{}, {"decoded": "raw"}], ids=["clamped", "raw"])
def test_a_spec_says_how_its_generator_s_images_are_taken(more):
    entry = {"name": "toy", "generator": "sngan", "latents": 4, "width": 4}
    shape = {"judging_width": 4, "size": 8, "channels": 3}
    assert build_generator(entry | shape | more).raw == bool(more)


def test_no_flow_learns_from_raw_images(tmp_path):
    write_array(tmp_path / "images.npy", np.zeros((4, 3, 8, 8), np.float32))
    with pytest.raises(PipelineError, match="remove `decoded: raw` of that GAN"):
        read_images(tmp_path / "images.npy", SimpleNamespace(dataset=DATASET))
