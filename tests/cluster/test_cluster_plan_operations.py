"""Operations are counted on the code itself, and as a real run has them."""

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import pipeline_steps.cluster.operations as operations_module
from pipeline_steps.cluster.work import Work
from pipeline_steps.config.load import load_config
from pipeline_steps.core.rng import rng
from pipeline_steps.datasets.loader import ImageSet
from pipeline_steps.defenses.load import new_model
from pipeline_steps.defenses.recipe import build_recipe
from pipeline_steps.generators.generator import build_generator
from pipeline_steps.generators.spec import generators_in
from pipeline_steps.generators.stages import GrowthSchedule
from pipeline_steps.generators.train_gan import Gan
from pipeline_steps.jobs.specs import Specs
from pipeline_steps.threats.batch import Batch
from pipeline_steps.threats.catalogue import build_threat

IMAGES = 6
STEPS = 5


@pytest.fixture(scope="module")
def plan() -> Specs:
    return Specs(load_config("demo"))


def generators(spec: Any) -> dict[str, Any]:
    return {
        name: build_generator(entry).requires_grad_(False)
        for name, entry in generators_in(spec).items()
    }


def batch() -> Batch:
    labels = torch.arange(IMAGES) % 10
    return Batch(torch.full((IMAGES, 3, 16, 16), 0.5), labels)


@pytest.mark.parametrize("threat", ["clean", "fgsm", "pgd20", "jsa50"])
def test_an_evaluation_has_the_operations_of_a_real_one(plan, threat):
    spec = plan.attack("digits", "at", threat).model_copy(update={"batch": IMAGES})
    if spec.threat.steps > 1:
        shorter = spec.threat.model_copy(update={"steps": STEPS})
        spec = spec.model_copy(update={"threat": shorter})
    model = new_model(spec.architecture, 0).eval()
    ready = build_threat(spec.threat, generators(spec.model_dump()))
    with FlopCounterMode(display=False) as counter:
        edited = ready(model, batch(), rng(0, "test"))
        model(edited), model(edited)
    told = Work("attack_defense", spec.model_dump(), 0, IMAGES).operations()
    assert told == pytest.approx(counter.get_total_flops())


@pytest.mark.parametrize(
    "defense", ["normal", "at", "ijsat", "iat", "rlat", "advprop", "atld-"]
)
def test_a_training_has_the_operations_of_a_real_one(plan, defense):
    spec = plan.defense("digits", defense)
    schedule = spec.schedule.model_copy(update={"batch": IMAGES})
    spec = spec.model_copy(update={"schedule": schedule})
    if "threat" in spec.recipe:
        spec.recipe["threat"]["steps"] = STEPS
    model = new_model(spec.architecture, 0).train()
    recipe = build_recipe(spec.recipe, generators(spec.recipe))
    draw = rng(0, "test")
    with FlopCounterMode(display=False) as counter:
        recipe.loss(model, recipe.prepare(batch(), draw), draw).backward()
    told = Work("train_defense", spec.model_dump(), IMAGES, 0).operations()
    once = spec.schedule.epochs * counter.get_total_flops()
    assert told == pytest.approx(once)


def test_a_question_is_counted_once_whatever_its_amounts(plan, monkeypatch):
    asked = []
    monkeypatch.setattr(operations_module, "_ANSWERS", {})
    monkeypatch.setattr(
        operations_module, "_counted", lambda *question: asked.append(question) or 1.0
    )
    spec = plan.attack("digits", "at", "fgsm").model_dump()
    edit = spec["threat"]["edit"]
    for epsilon, name, counts in (
        (0.1, "digits", 1),
        (0.3, "digits", 1),
        (0.3, "svhn", 1),
        (0.0, "digits", 2),
    ):
        edit["epsilon"], spec["dataset"]["name"] = epsilon, name
        Work("attack_defense", spec, 0, IMAGES).operations()
        assert len(asked) == counts


def test_an_inference_is_counted_where_the_defense_answers_and_where_it_is_seen(plan):
    """Asked twice, each time one forward and one backward pass more at most."""
    bare, unseen, seen = (
        Work("attack_defense", spec.model_dump(), 0, IMAGES).operations()
        for spec in (
            plan.attack("digits", "atld-", "fgsm"),
            plan.attack("digits", "atld", "fgsm"),
            plan.attack("digits", "atld", "pgd20-adaptive"),
        )
    )
    once = Work(
        "attack_defense",
        plan.attack("digits", "atld-", "clean").model_dump(),
        0,
        IMAGES,
    ).operations()
    assert bare + once < unseen < bare + 3 * once
    assert seen > 20 * once


def test_a_flow_has_the_operations_of_a_real_one(plan):
    spec = plan.flow("digits", "glow")
    training = spec.training.model_copy(update={"batch": IMAGES})
    spec = spec.model_copy(update={"training": training})
    flow, images = build_generator(spec.model), batch().images
    with FlopCounterMode(display=False) as counter:
        flow.bits_per_dimension(images, images).mean().backward()
    told = Work("train_flow", spec.model_dump(), IMAGES, 0).operations()
    assert told == pytest.approx(spec.training.epochs * counter.get_total_flops())


@pytest.mark.parametrize("gan", ["stylegan", "sngan"])
def test_a_gan_has_the_operations_of_a_real_one(plan, gan):
    """One step of each stage, as the training itself takes it."""
    spec = plan.gan("digits", gan)
    batch = {"batch": 4, "growth_images": 4 if gan == "stylegan" else 0}
    few = spec.training.model_copy(update=batch | {"images": 12})
    spec = spec.model_copy(update={"training": few})
    data = ImageSet(torch.zeros(4, 3, 16, 16, dtype=torch.uint8), torch.arange(4))
    run, growth_schedule = Gan(spec, torch.device("cpu")), GrowthSchedule(few, 16)
    with FlopCounterMode(display=False) as counter:
        for step in range(growth_schedule.steps):
            run.step(data, step, growth_schedule.at(step), 1.0)
    told = Work("train_gan", spec.model_dump(), 0, 0).operations()
    assert told == pytest.approx(counter.get_total_flops(), rel=0.02)


def test_shards_add_up_to_the_whole(plan):
    for step, spec_of, names in [
        ("attack_defense", plan.attack, ("at", "pgd20")),
        ("project_dataset", plan.manifold, ("glow", "test")),
    ]:
        all_of_it = spec_of("digits", *names).model_dump()
        parts = [
            Work(
                step, spec_of("digits", *names, f"{n}-of-3").model_dump(), 0, 539
            ).operations()
            for n in (1, 2, 3)
        ]
        assert sum(parts) == pytest.approx(Work(step, all_of_it, 0, 539).operations())


def test_a_curve_judges_every_kept_epoch(plan):
    defense = plan.defense("digits", "at").model_dump()
    spec = plan.curve("digits", "at", "pgd20").model_dump()
    once = Work("attack_defense", spec, 0, 100).operations()
    told = Work("attack_snapshots", spec, 0, 100, defense).operations()
    assert told == pytest.approx(defense["snapshots"] * once)


def test_counting_draws_from_no_shared_state_and_changes_no_model(plan):
    before = torch.get_rng_state()
    Work(
        "attack_defense", plan.attack("digits", "at", "fgsm").model_dump(), 0, 7
    ).operations()
    assert torch.equal(before, torch.get_rng_state())
