"""Which of a training's weights are judged: the last, or the best."""

import pytest
import torch

from pipeline_steps.core.card import Card, file_facts
from pipeline_steps.core.digest import Code
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.step import Job
from pipeline_steps.core.tensors import write_tensors
from pipeline_steps.defenses import snapshots
from pipeline_steps.defenses.load import new_model
from pipeline_steps.evaluation.spec import AttackSpec
from pipeline_steps.evaluation.trained import defense_of


@pytest.fixture
def judged(tmp_path, toy_dataset, toy_architecture):
    """A training's files, and the job that takes its weights from one of them."""
    last, best = (new_model(toy_architecture, seed) for seed in (0, 1))
    snapshots.keep(last, tmp_path, epoch=3)
    roles = {
        role: tmp_path / f"{role}.safetensors" for role in ("weights", "snapshots")
    }
    write_tensors(roles["weights"], last.state_dict())
    snapshots.gather(tmp_path, roles["snapshots"], best.state_dict())
    facts = {role: file_facts(path) for role, path in roles.items()}
    card = tmp_path / "card.json"
    Card("defenses.train_defense", {}, {}, {}, facts).write(card)

    def judged(weights, role):
        spec = AttackSpec(
            dataset=toy_dataset,
            architecture=toy_architecture,
            weights=weights,
            threat={"attack": "none"},
            images=None,
            batch=8,
            seed=0,
        )
        inputs = {"weights": [roles[role]], "weights_card": [card]}
        return defense_of(Job("attack", spec, Code("", {}, {}), inputs, {}))

    return last, best, judged


def same(one, other):
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_each_name_gets_its_own_weights(judged):
    last, best, load = judged
    assert same(load("last", "weights"), last)
    assert same(load("best", "snapshots"), best)
    assert not same(last, best)


def test_one_file_is_never_taken_for_the_other(judged):
    *_, load = judged
    with pytest.raises(PipelineError, match=r"weights\.safetensors"):
        load("best", "weights")
