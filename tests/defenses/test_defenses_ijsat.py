"""IJSAT's trainings are its paper's, at the papers' size."""

import pytest

from pipeline_steps.config.load import load_config
from pipeline_steps.generators.generator import build_generator
from pipeline_steps.jobs.specs import Specs


@pytest.fixture(scope="module")
def paper():
    return Specs(load_config("paper"))


def parts(edit):
    return edit.get("parts", [edit])


def edits(paper, dataset, defense):
    """Every edit that a defense learns from, and in how many steps."""
    threat = paper.defense(dataset, defense).recipe["threat"]
    return parts(threat["edit"]), threat["steps"]


@pytest.mark.parametrize(
    ("defense", "generator"),
    [("ijsat-om", "stylegan"), ("ijsat-om-flow", "glow")],
)
def test_on_om_imagenet_latents_are_there_and_no_flow_is_needed(
    paper, defense, generator
):
    """Section 6.3, and 6.1 for the budgets; the flow's reading is a defense of its own."""
    (latent, pixel), steps = edits(paper, "om-imagenet", defense)
    assert latent["generator"]["name"] == generator
    assert (latent["epsilon"], latent["step_size"]) == (0.02, 0.005)
    assert (pixel["epsilon"], pixel["step_size"]) == pytest.approx((4 / 255, 1 / 255))
    assert steps == 5


def test_table_3_shows_the_gan_s_variant_and_no_job_trains_the_flow_s(paper):
    shown = {run.defense for run in paper.pages.table("ijsat", "table3").runs}
    assert "ijsat-om" in shown and "ijsat-om-flow" not in shown


def test_the_flow_s_variant_is_one_key_away(paper):
    row = paper.config.papers["ijsat"].tables["table3"].rows[-1]
    assert "ijsat-om-flow" in str(row.not_run)


@pytest.mark.parametrize("dataset", ["cifar10", "om-imagenet"])
def test_glow_has_four_levels_of_eight_steps_at_either_size(paper, dataset):
    """Appendix A.1."""
    entry = paper.flow(dataset, "glow").model
    flow = build_generator(entry)
    assert [len(level.layers) - 1 for level in flow.blocks] == [8, 8, 8, 8]
    assert len(flow.level_slices) == 4


def test_glow_at_256_pixels_is_as_large_as_the_paper_s(paper):
    flow = build_generator(paper.flow("om-imagenet", "glow").model)
    assert sum(p.numel() for p in flow.parameters()) == pytest.approx(18.7e6, rel=0.01)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_figure_8_attacks_each_of_these_levels(paper, number):
    edit = paper.threat(f"ia{number}", "om-imagenet").model_dump()["edit"]
    flow = build_generator(edit["generator"])
    assert edit["level"] == number <= len(flow.level_slices)


def test_each_normal_row_of_table_2_trains_as_its_rivals_do(paper):
    rows = paper.config.papers["ijsat"].tables["table2"].rows
    left, right = (
        [r for r in rows if r.part == p] for p in dict.fromkeys(r.part for r in rows)
    )
    normals = {row.defense for row in rows if row.name.startswith("Normal Training")}
    for row in (*left, *right):
        if row.defense in normals or not row.defense:
            continue
        own = trained_as(paper, row.defense)
        assert own in [trained_as(paper, normal) for normal in normals], row.name


def trained_as(paper, defense):
    """The schedule of a defense, and the network without what its recipe adds to it."""
    spec = paper.defense("cifar10", defense)
    network = spec.architecture.get("network", spec.architecture)
    return network["architecture"], spec.schedule


def test_a_claim_on_augmentations_compares_what_trained_alike(paper):
    claims = {claim.name: claim for claim in paper.config.papers["ijsat"].claims}
    for name in ("ijsat-best-augmentation", "ijsat-best-on-corrupted-images"):
        named = {q.defense for q in claims[name].quantities}
        assert "normal" not in named


def test_adversarial_la_s_steps_are_ijsat_s_without_an_image_budget(paper):
    """Section 6.3: all but the norm and the mixup follows Adversarial-LA."""
    (ours,), steps = edits(paper, "cifar10", "ijsat-latent")
    (theirs,), expected = edits(paper, "cifar10", "adversarial-la")
    assert steps == expected == 3
    assert (
        ours["step_size"] / ours["epsilon"] == theirs["step_size"] / theirs["epsilon"]
    )
    assert (ours["norm"], ours["epsilon"]) == ("linf", 0.02)
    (_,), longer = edits(paper, "cifar10", "ijsat-latent-10")
    assert longer == 10


@pytest.mark.parametrize(
    ("defense", "tau"), [("iat", 0.1), ("iat-om", 0.1), ("iat-tau-1", 1.0)]
)
def test_iat_mixes_as_section_6_1_says_or_as_its_own_paper(paper, defense, tau):
    dataset = "om-imagenet" if defense.endswith("-om") else "cifar10"
    assert paper.defense(dataset, defense).recipe["tau"] == tau
