"""A verdict belongs to its image: neither its neighbours nor the batch can change it."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.shards import cut
from pipeline_steps.core.tables import stacked
from pipeline_steps.evaluation.verdicts import Judge, judge
from pipeline_steps.threats.batch import Attacked
from pipeline_steps.threats.catalogue import build_threat
from pipeline_steps.threats.spec import ThreatSpec
from pipeline_steps.threats.threat import Attack, Threat


@pytest.fixture
def verdicts(trained, toy_images, threat_entry):
    """The verdicts on all toy images, judged so many at a time."""

    def verdicts(batch, model=trained, steps=3, **more):
        threat = build_threat(ThreatSpec(**threat_entry(steps, **more)), {})
        judged = judge(model, toy_images, threat, cut(48, batch), seed=0)
        parts = [part.table() for part in judged]
        return pd.DataFrame(stacked(parts))

    return verdicts


@pytest.mark.parametrize("batch", [1, 7, 20], ids="batches of {}".format)
def test_verdicts_do_not_depend_on_the_batch(verdicts, batch):
    """Sums may differ in their last bit between batches, and no more than that."""
    whole, cut = verdicts(48), verdicts(batch)
    for column in ("image", "label", "prediction", "correct"):
        assert (whole[column] == cut[column]).all()
    for column in ("margin", "linf", "l2"):
        assert np.allclose(whole[column], cut[column], atol=1e-4)


def test_random_starts_are_bit_for_bit_the_same_in_any_batch(verdicts):
    whole, cut = verdicts(48, steps=0), verdicts(5, steps=0)
    assert (whole[["linf", "l2"]] == cut[["linf", "l2"]]).all(axis=None)
    assert whole["linf"].nunique() > 40


def test_the_same_verdicts_come_again(verdicts):
    pd.testing.assert_frame_equal(verdicts(16), verdicts(16))


def test_the_margin_s_sign_says_whether_the_defense_is_right(verdicts):
    table = verdicts(16)
    assert 0 < table["correct"].sum() < len(table)
    assert (table["correct"] == (table["margin"] > 0)).all()
    assert (table["correct"] == (table["prediction"] == table["label"])).all()


def test_a_verdict_tells_how_far_the_edit_went(verdicts):
    table = verdicts(16)
    assert table["linf"].between(0.01, 0.1 + 1e-6).all()
    assert (table["l2"] <= table["linf"] * (3 * 8 * 8) ** 0.5).all()
    assert (table["l2"] >= table["linf"]).all()
    assert table["image"].tolist() == list(range(48))


def test_an_attack_costs_accuracy_and_more_steps_do_not_give_it_back(verdicts):
    accuracies = [verdicts(48, steps=n)["correct"].mean() for n in (0, 3, 10)]
    assert accuracies[0] > 0.9
    assert accuracies[0] > accuracies[1] >= accuracies[2]


class Restless(nn.Module):
    """Answers differently whenever it is asked."""

    def __init__(self):
        super().__init__()
        self.times = 0

    def forward(self, images):
        self.times += 1
        return images.mean(dim=(2, 3)) + self.times


@pytest.mark.parametrize("restless", [True, False], ids=["restless", "steady"])
def test_a_defense_that_answers_differently_is_noticed(
    trained, toy_images, threat_entry, restless
):
    model = Restless() if restless else trained
    threat = build_threat(ThreatSpec(**threat_entry(1)), {})
    judged = list(judge(model, toy_images, threat, cut(48, 24), seed=0))
    assert all(part.same_when_asked_twice != restless for part in judged)


@dataclass
class Greedy(Attack):
    """An attack that needs more memory than there is for so many images."""

    attack: Any
    most: int

    def __call__(self, victim, batch, rng):
        if len(batch.images) > self.most:
            raise torch.OutOfMemoryError
        return self.attack(victim, batch, rng)


@pytest.mark.parametrize("most", [20, 7, 1], ids="at most {}".format)
def test_where_memory_runs_out_batches_are_cut(trained, toy_images, threat_entry, most):
    threat = build_threat(ThreatSpec(**threat_entry(3)), {})
    small = Threat(Greedy(threat.attack, most))
    judge_small = Judge(trained, toy_images, small, seed=0)
    whole, cut = Judge(trained, toy_images, threat, seed=0), judge_small(range(5, 45))
    assert judge_small.room.widest <= most
    assert torch.allclose(cut.logits, whole(range(5, 45)).logits, atol=1e-4)
    assert cut.table()["image"].tolist() == list(range(5, 45))


def test_a_device_without_memory_for_one_image_is_told(
    trained, toy_images, threat_entry
):
    attack = build_threat(ThreatSpec(**threat_entry(3)), {}).attack
    judge = Judge(trained, toy_images, Threat(Greedy(attack, 0)), seed=0)
    with pytest.raises(PipelineError, match="too little memory for a single image"):
        judge(range(8))


def test_edited_images_out_of_range_are_refused(trained, toy_images):
    class Brightening(Attack):
        def __call__(self, victim, batch, rng):
            return replace(Attacked.untouched(batch), images=batch.images + 2)

    threat = Threat(Brightening())
    with pytest.raises(PipelineError, match="attacked images run from 2"):
        next(judge(trained, toy_images, threat, cut(48, 8), seed=0))


def test_the_state_of_the_process_is_left_as_it_was(verdicts):
    before = torch.get_rng_state()
    verdicts(16)
    assert torch.equal(torch.get_rng_state(), before)
