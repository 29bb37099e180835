"""The papers' learning rates, step by step."""

import pytest

from pipeline_steps.config.load import load_config
from pipeline_steps.defenses.schedules import learning_rate
from pipeline_steps.defenses.spec import Schedule

DMAT = [[0, 0], [1, 0.4], [6, 0.04], [12, 0.004], [15, 0.0004], [20, 0.0001]]


def schedule(**told):
    return Schedule(**{"epochs": 10, "batch": 8, **told})


@pytest.mark.parametrize("name", ["ijsat", "trades-released", "mart-released"])
def test_drops_are_those_of_trades_code_whose_epochs_count_from_one(name):
    """Its rate is a tenth from epoch 75 on: IJSAT 6.1 follows it, and so does MART's code."""
    schedule = load_config("paper").defenses.schedules[name]
    before = schedule.learning_rate
    for share in (0.01, 1.0):
        rates = [
            learning_rate(schedule, number - 1, share)  # the loop counts from zero
            for number in range(1, schedule.epochs + 1)
        ]
        expected = [
            before * 0.1 ** sum(number >= drop for drop in (75, 90, 100))
            for number in range(1, schedule.epochs + 1)
        ]
        assert rates == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("epoch", "share", "rate"),
    [
        (0, 0.25, 0.1),
        (0, 1.0, 0.4),
        (3, 0.5, 0.22),  # halfway from 1 to 6
        (11, 1.0, 0.004),
        (17, 0.5, 0.00025),
        (19, 1.0, 0.0001),
        (30, 0.0, 0.0001),
    ],
)
def test_dmat_s_learning_rate_follows_straight_lines(epoch, share, rate):
    """docs/methods/dmat.md#training: knots in epochs, read anew at each step."""
    piecewise = schedule(epochs=20, knots=DMAT)
    assert learning_rate(piecewise, epoch, share) == pytest.approx(rate)


def test_knots_need_not_begin_at_the_first_epoch():
    late = schedule(knots=[[2, 0.3], [4, 0.1]])
    assert learning_rate(late, 0, 0.5) == 0.3
    assert learning_rate(late, 9, 1.0) == 0.1


def test_a_cycle_rises_to_its_top_and_falls_to_zero():
    """15 epochs to 0.2 and back: docs/methods/baselines.md#fast-adversarial-training."""
    cycle = schedule(epochs=15, learning_rate=0.2, cyclic=True)
    rates = [learning_rate(cycle, e, s) for e, s in ((0, 0.75), (7, 0.5), (14, 1.0))]
    assert rates == pytest.approx([0.02, 0.2, 0.0])


def test_a_warm_up_ends_where_the_plain_schedule_goes_on():
    warm = schedule(learning_rate=0.1, warm_up=5, drops=[7])
    rates = [learning_rate(warm, e, s) for e, s in ((0, 0.5), (4, 1.0), (6, 1.0))]
    assert rates == pytest.approx([0.01, 0.1, 0.1])
    assert learning_rate(warm, 7, 0.1) == pytest.approx(0.01)
