"""Data sets on a manifold, and what `gan` means to a threat."""

import pytest

from pipeline_steps.config.load import load_config
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.jobs.planned import planner
from pipeline_steps.jobs.specs import Specs


def inputs(rule, *names, scale="demo"):
    return planner(scale).job(rule, *names).inputs


def test_a_data_set_on_a_manifold_lies_where_the_manifold_does():
    images = inputs("train_defense", "om-digits", "at")["images"]
    place = "manifolds/digits/sngan"
    assert images.files == [f"results/demo/{place}/train.images.npy"]
    assert images.cards == [f"results/demo/cards/{place}/train.json"]


def test_om_cifar10_is_tested_on_natural_images():
    labels = inputs("attack_defense", "om-cifar10", "at", "clean")["labels"]
    assert labels.files == ["data/cifar10/test.labels.npy"]
    assert labels.cards == ["data/cards/cifar10.json"]
    trained = inputs("train_defense", "om-cifar10", "at")["labels"]
    assert "manifolds/cifar10/sngan" in trained.files[0]


@pytest.mark.parametrize("dataset", ["digits", "om-digits"])
def test_jobs_take_latents_for_generators_that_cannot_encode(dataset):
    taken = inputs("attack_defense", dataset, "at", "jsa10-gan")
    weights = "results/demo/checkpoints/generators/digits/sngan.safetensors"
    assert taken["generators"].files == [weights]
    latents = "results/demo/manifolds/digits/sngan/test.latents.npy"
    assert taken["latents"].files == [latents]
    card = "results/demo/cards/manifolds/digits/sngan/test.json"
    assert taken["latents"].cards == [card]
    taken = inputs("attack_defense", dataset, "at", "jsa10")
    assert len(taken["generators"].files) == 1
    assert taken["latents"].files == []


def test_each_data_set_says_which_generator_its_gan_is():
    plan = Specs(load_config("paper"))
    for dataset, name in [("cifar10", "sngan"), ("om-imagenet", "stylegan")]:
        edit = plan.attack(dataset, "at", "om-pgd-gan").threat.model_dump()["edit"]
        assert edit["generator"]["name"] == name
    with pytest.raises(PipelineError, match=r"`gan` of the data set svhn.* names none"):
        plan.attack("svhn", "at", "om-pgd-gan")


def test_a_projection_is_told_whose_features_judge_it():
    for scale, features in [("paper", "published"), ("demo", "defense")]:
        plan = Specs(load_config(scale))
        assert features in plan.manifold("digits", "sngan", "train").features
        flow = plan.manifold("digits", "glow", "train")
        assert flow.features is flow.projection is None


def test_where_a_manifold_comes_from_is_part_of_every_spec_that_uses_it(
    edit, config_root
):
    def spec(root=None):
        config = load_config("demo", root) if root else load_config("demo")
        return Specs(config).defense("om-digits", "at")

    edit("datasets", "om-digits.projected.generator", "stylegan")
    assert spec() != spec(config_root)


def test_a_projected_data_set_is_not_fetched():
    with pytest.raises(PipelineError, match="om-digits is made by projection"):
        Specs(load_config("demo")).fetched("om-digits")


def test_a_data_set_has_a_source_or_is_projected(edit, config_root):
    edit("datasets", "digits.projected", {"dataset": "digits", "generator": "sngan"})
    with pytest.raises(PipelineError, match="digits: say either its source"):
        load_config("demo", config_root)


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        ("om-digits.projected.dataset", "digit", "no dataset 'digit'"),
        ("om-digits.projected.generator", "sgnan", "no generator 'sgnan'"),
        ("digits.gan", "sgan", "no generator 'sgan'"),
    ],
    ids=["dataset", "generator", "gan"],
)
def test_names_of_manifolds_are_known(edit, config_root, place, value, told):
    edit("datasets", place, value)
    with pytest.raises(PipelineError, match=told):
        load_config("demo", config_root)


def test_a_flow_is_trained_on_the_data_set_whose_images_it_encodes():
    """IJSAT A.1: on OM-ImageNet; the GAN that makes its manifold, on natural images."""
    places = {"jsa50": "om-imagenet/glow", "om-pgd-gan": "mixed10/stylegan"}
    for threat, place in places.items():
        names = ("om-imagenet", "at-om", threat)
        taken = inputs("attack_defense", *names, scale="paper")
        weights = f"results/paper/checkpoints/generators/{place}.safetensors"
        assert taken["generators"].files == [weights]


def test_raw_images_are_a_key_of_the_gan_and_of_no_spec_without_it(edit, config_root):
    def specs(*root):
        plan = Specs(load_config("demo", *root))
        attack = plan.attack("om-digits", "dmat", "om-pgd-gan")
        manifold = plan.manifold("digits", "sngan", "test")
        defense = plan.defense("om-digits", "dmat")
        return [told.model_dump_json() for told in (attack, manifold, defense)]

    assert not any('"decoded"' in told for told in specs())
    edit("generators", "sngan.decoded", "raw")
    assert all('"decoded":"raw"' in told for told in specs(config_root))


def test_a_flow_s_images_are_never_raw(edit, config_root):
    edit("generators", "glow.decoded", "raw")
    with pytest.raises(PipelineError, match=r"glow\.decoded: a flow gives images back"):
        load_config("demo", config_root)
