"""Intervals hold what they say, tests give what is known by hand."""

from math import comb
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.papers.spec import Run
from pipeline_steps.papers.statistics import (
    accuracy,
    best_elsewhere,
    binomial_test,
    bootstrap,
    differences,
    interval,
    read_outcomes,
    sign_test,
    spread,
    with_trainings,
)


def outcomes(right: int, images: int) -> np.ndarray:
    return (np.arange(images) < right)[None]


@pytest.mark.parametrize("truth", [0.02, 0.5, 0.9], ids="{:.0%} right".format)
def test_the_interval_holds_the_truth_about_95_times_in_100(truth: float) -> None:
    stream = np.random.default_rng(3)
    held = [
        interval(stream.random((1, 300)) < truth).holds(100 * truth) for _ in range(400)
    ]
    assert 0.91 <= np.mean(held) <= 0.995


def test_only_an_interval_over_trainings_too_holds_what_another_training_gives() -> (
    None
):
    """Trainings that lie 3 points apart, each judged on 300 images, around a truth of 50 %."""
    stream = np.random.default_rng(5)
    alone, both = [], []
    for _ in range(300):
        accuracies = 0.5 + 0.03 * stream.standard_normal((3, 1))
        judged = stream.random((3, 300)) < accuracies
        over_images = interval(judged)
        alone.append(over_images.holds(50))
        both.append(with_trainings(over_images, judged).holds(50))
    assert np.mean(alone) < 0.92
    assert np.mean(both) >= 0.95


def test_one_training_leaves_the_interval_alone() -> None:
    judged = outcomes(60, 100)
    assert with_trainings(interval(judged), judged) == interval(judged)


def test_the_bootstrap_is_the_same_twice_and_near_the_normal_approximation() -> None:
    values = outcomes(600, 1000)[0]
    low, high = bootstrap(values)
    assert bootstrap(values) == (low, high)
    width = 2 * 1.96 * 100 * np.sqrt(0.6 * 0.4 / 1000)
    assert high - low == pytest.approx(width, rel=0.05)


def test_at_the_edges_the_interval_is_exact_and_never_without_width() -> None:
    low, high = interval(outcomes(0, 100))
    assert low == 0
    assert high == pytest.approx(100 * (1 - 0.025 ** (1 / 100)))
    low, high = interval(outcomes(100, 100))
    assert high == 100
    assert low == pytest.approx(100 * 0.025 ** (1 / 100))


def test_more_seeds_do_not_pass_for_more_images() -> None:
    one = np.random.default_rng(0).random((1, 400)) < 0.7
    assert interval(np.repeat(one, 3, axis=0)) == interval(one)
    assert spread(one) is None
    assert spread(np.repeat(one, 3, axis=0)) == 0
    halves = np.vstack([outcomes(60, 100), outcomes(64, 100)])
    assert accuracy(halves) == pytest.approx(62)
    assert spread(halves) == pytest.approx(np.sqrt(8))


def test_the_sign_test_is_exact_mcnemar() -> None:
    left, right = np.zeros((1, 30), bool), np.zeros((1, 30), bool)
    left[0, :10] = True  # ten images only the left side gets right, and
    right[0, 28:] = True  # two only the right
    by_hand = 2 * sum(comb(12, k) for k in range(3)) / 2**12
    assert sign_test(differences(left, right)) == pytest.approx(by_hand)
    assert sign_test(np.zeros(10)) == 1


def test_the_binomial_test_agrees_with_hand_numbers() -> None:
    assert binomial_test(outcomes(0, 10), 50) == pytest.approx(2 / 2**10)
    assert binomial_test(outcomes(5, 10), 50) == pytest.approx(1)


def write(path: Path, images: list[int], correct: list[bool]) -> Path:
    pd.DataFrame({"image": images, "correct": correct}).to_parquet(path)
    return path


def test_seeds_are_stacked_and_images_put_in_order(tmp_path: Path) -> None:
    runs = [Run(dataset="d", defense="at", threat="clean", seed=s) for s in (0, 1)]
    files = [
        write(tmp_path / "0", [1, 0], [False, True]),
        write(tmp_path / "1", [0, 1], [False, True]),
    ]
    stacked = read_outcomes(runs, files)[("d", "at", "clean")]
    assert stacked.tolist() == [[True, False], [False, True]]


def test_verdicts_on_other_images_are_refused(tmp_path: Path) -> None:
    runs = [Run(dataset="d", defense="at", threat=t, seed=0) for t in ("clean", "pgd")]
    files = [
        write(tmp_path / "0", [0, 1], [True, True]),
        write(tmp_path / "1", [0, 2], [True, True]),
    ]
    with pytest.raises(PipelineError, match="different images"):
        read_outcomes(runs, files)


def test_the_best_epoch_is_not_chosen_on_the_images_that_score_it() -> None:
    """Of epochs that are alike but for chance, none is better; a maximum says 5 points."""
    gains = []
    for seed in range(50):
        draw = np.random.default_rng(seed)
        right = draw.random((12, 200)) < 0.5
        flattered = 100 * right.mean(axis=1).max()
        gains.append((flattered - 50, accuracy(best_elsewhere(right)[None]) - 50))
    flattered, honest = np.mean(gains, axis=0)
    assert flattered > 5
    assert abs(honest) < 1.5


def test_an_epoch_that_is_best_by_far_is_the_best_for_all_images() -> None:
    right = np.zeros((5, 9), dtype=bool)
    right[2] = True
    assert best_elsewhere(right).all()
    assert best_elsewhere(right[:, :1]).all()
