"""Images and their latents stay in step; threats take every manifold by the same path."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline_steps.core.arrays import write_array
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import load
from pipeline_steps.core.rng import image_rng, rng
from pipeline_steps.datasets.augmentation import moves
from pipeline_steps.datasets.loader import ImageSet
from pipeline_steps.datasets.spec import Augmentation
from pipeline_steps.defenses.load import new_model
from pipeline_steps.evaluation.verdicts import Judge
from pipeline_steps.manifolds.manifold_set import Projected, load_projected
from pipeline_steps.threats.batch import Batch, mixed, moved
from pipeline_steps.threats.catalogue import build_threat
from pipeline_steps.threats.spec import ThreatSpec
from pipeline_steps.threats.victim import Victim

COUNT = 10
HOW = Augmentation(pad=2, flip=True, cutout=3)


@pytest.fixture
def latents(toy_gan):
    return rng(0, "latents").normal([COUNT, toy_gan.dimensions])


@pytest.fixture
def batch(toy_gan, latents):
    """Natural images near their projections, and both augmented as a training step does."""
    natural = (toy_gan.decode(latents) + 0.05).clamp(0, 1)
    drawn = moves(natural, HOW, rng(0, "augment"))
    projected = {toy_gan.name: latents}
    labels = torch.arange(COUNT) % 3
    return Batch(drawn.apply(natural), labels, projected=projected, moves=drawn)


def joint(generator, **more):
    parts = [
        {
            "perturbation": "latent",
            "generator": {"name": generator, "generator": generator},
            **{"epsilon": 0.3, "step_size": 0.1},
            **more,
        },
        {
            "perturbation": "pixel",
            **{"epsilon": 0.05, "step_size": 0.02, "boxed": False},
        },
    ]
    return ThreatSpec(
        edit={"perturbation": "together", "parts": parts},
        objective={"objective": "cross_entropy"},
        steps=4,
    )


@pytest.fixture
def model(toy_architecture):
    return new_model(toy_architecture, seed=0).eval()


def test_a_projection_is_seen_under_its_image_s_augmentation(toy_gan, latents, batch):
    seen = batch.on_manifold(toy_gan)
    assert torch.equal(seen, batch.moves.apply(toy_gan.decode(latents)))
    assert not torch.allclose(seen, toy_gan.decode(latents))
    covered = (batch.images - seen) == 0
    assert torch.allclose(
        (batch.images - seen)[~covered], torch.tensor(0.05), atol=1e-6
    )


@pytest.mark.parametrize(
    "rows", [torch.tensor([7, 1]), slice(2, 5)], ids=["some", "part"]
)
def test_some_of_a_batch_stay_in_step(toy_gan, batch, rows):
    part = batch.take(rows)
    whole = batch.on_manifold(toy_gan)[rows]
    assert torch.allclose(part.on_manifold(toy_gan), whole, atol=1e-6)


def test_an_edit_of_the_latent_is_moved_alike(toy_gan, latents, batch):
    edit = load("perturbation", "latent")(
        generator=toy_gan, epsilon=0.3, step_size=0.1, start_at="zero"
    )
    lifted = edit.apply(batch, [torch.full_like(latents, 0.3)])
    assert torch.equal(lifted, batch.moves.apply(toy_gan.decode(latents + 0.3)))
    assert torch.equal(
        edit.apply(batch, edit.start(batch, rng(0))), batch.on_manifold(toy_gan)
    )


def test_exact_generators_show_the_images_themselves(toy_generator, batch):
    assert batch.on_manifold(toy_generator) is batch.images
    decoded = batch.decode(toy_generator, batch.latents_of(toy_generator))
    assert torch.allclose(decoded, batch.images, atol=1e-5)


def test_latents_that_nobody_found_are_missed_by_a_sentence(toy_gan, batch):
    with pytest.raises(PipelineError, match="latents that were found before"):
        replace(batch, projected={}).latents_of(toy_gan)


def test_projected_latents_survive_an_edit_of_the_images(toy_gan, latents, batch):
    assert torch.equal(moved(batch, batch.images / 2).latents_of(toy_gan), latents)


def test_latents_are_mixed_as_their_images(toy_gan, toy_generator, latents, batch):
    other, share = torch.arange(COUNT).flip(0), torch.tensor([0.3])
    labels = torch.eye(3)[batch.labels]
    mixture = mixed(batch, labels, other, share)
    expected = 0.3 * latents + 0.7 * latents[other]
    assert torch.allclose(mixture.latents_of(toy_gan), expected)
    assert torch.allclose(
        mixture.images, 0.3 * batch.images + 0.7 * batch.images[other]
    )
    assert torch.allclose(mixture.labels, 0.3 * labels + 0.7 * labels[other])
    # Of a flow it is the mixture's own latent.
    own = toy_generator.encode(mixture.images)
    assert torch.equal(mixture.latents_of(toy_generator), own)


def test_jsa_takes_a_gan_s_manifold_and_a_flow_s_by_one_path(
    toy_gan, toy_generator, batch, model
):
    for generator in (toy_gan, toy_generator):
        threat = build_threat(joint("glow"), {"glow": generator})
        told = threat.against(
            Victim.of(model), batch, image_rng(0, range(COUNT), "attack")
        )
        edited, base = told.images, batch.on_manifold(generator)
        assert edited.min() >= 0 and edited.max() <= 1
        loss = torch.nn.functional.cross_entropy
        before, after = (loss(model(x), batch.labels) for x in (base, edited))
        assert after > before
        assert (edited - base).abs().max() > 0.05, "the latents had no part in it"


def test_stop_any_keeps_latents_with_their_images(toy_gan, batch, model):
    spec = joint("glow").model_copy(update={"stop": "any"})
    threat = build_threat(spec, {"glow": toy_gan})
    told = threat.against(Victim.of(model), batch, image_rng(0, range(COUNT), "attack"))
    for row in range(COUNT):  # each alone comes to the same
        alone = batch.take(slice(row, row + 1))
        one = threat.against(Victim.of(model), alone, image_rng(0, [row], "attack"))
        assert torch.allclose(one.images[0], told.images[row], atol=1e-4)


def test_a_judge_gives_each_image_its_own_latents(toy_gan, latents, model):
    images = (255 * toy_gan.decode(latents)).round().to(torch.uint8)
    data = ImageSet(images, torch.arange(COUNT) % 3)
    spec = ThreatSpec(
        edit={
            "perturbation": "latent",
            "generator": {"name": "toy", "generator": "glow"},
            **{"epsilon": 0.0, "step_size": 0.0, "start_at": "zero"},
        },
        objective={"objective": "cross_entropy"},
        steps=1,
    )
    projected = Projected({toy_gan.name: latents.numpy()})
    threat = build_threat(spec, {"toy": toy_gan})
    judged = Judge(model, data, threat, 0, projected=projected)(range(4, 9))
    assert (judged.edited - images[4:9] / 255).abs().max() < 0.51 / 255


def test_latents_come_from_files_in_the_order_of_their_generators(
    tmp_path, toy_gan, toy_generator, latents
):
    path = tmp_path / "latents.npy"
    write_array(path, latents.numpy())
    generators = {"a-flow": toy_generator, "toy": toy_gan}
    projected = load_projected(generators, [path], COUNT)
    found = projected.of(torch.tensor([3, 0]), torch.device("cpu"))
    assert found.keys() == {toy_gan.name}
    assert np.array_equal(found[toy_gan.name], latents[[3, 0]])
