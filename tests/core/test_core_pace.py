"""A record tells how long each unit of the work took, without what came only once."""

import json

import pytest

from pipeline_steps.core import pace
from pipeline_steps.core.resume import Resume
from pipeline_steps.core.settings import Count, Settings
from pipeline_steps.core.step import run
from tests.job_words import job_words


class Clock:
    """Goes on only when it is told to."""

    def __init__(self):
        self.now = 100.0

    def work(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("time.monotonic", lambda: clock.now)
    pace.forget()
    return clock


def work(clock, folder, steps, first=50.0, each=2.0, end=7.0):
    """So many steps, the first slower, with an epoch's end after each second one."""
    clock.work(30)
    for step, meter in Resume(folder).steps({"none": []}, steps, "toy"):
        clock.work(each if step else first)
        if step % 2:
            with meter.watch.apart("ends"):
                clock.work(end)


def test_the_first_unit_is_left_out_where_there_are_more(clock, tmp_path):
    work(clock, tmp_path, 5)
    assert pace.facts()["pace"] == {
        "steps": {"done": 5, "seconds_each": 2.0},
        "ends": {"done": 2, "seconds_each": 7.0},
    }


def test_a_single_unit_is_told_as_it_was(clock, tmp_path):
    work(clock, tmp_path, 1)
    assert pace.facts()["pace"] == {"steps": {"done": 1, "seconds_each": 50.0}}


def test_time_that_a_save_takes_is_no_step_s(clock, tmp_path, monkeypatch):
    monkeypatch.setenv("PIPELINE_SAVE_SECONDS", "0")
    monkeypatch.setattr(Resume, "_save", lambda *_: clock.work(1000))
    work(clock, tmp_path, 4)
    assert pace.facts()["pace"]["steps"] == {"done": 4, "seconds_each": 2.0}


def test_a_unit_may_have_a_name_of_its_own(clock, tmp_path):
    for step, meter in Resume(tmp_path).steps({"none": []}, 4, "toy", "batches"):
        meter.unit = f"batches of {step // 2}"
        clock.work(step + 1)
    assert pace.facts()["pace"] == {
        "batches of 0": {"done": 2, "seconds_each": 2.0},
        "batches of 1": {"done": 2, "seconds_each": 4.0},
    }


class ToySpec(Settings):
    """How many steps the toy takes."""

    steps: Count


def toy(job):
    for _ in Resume(job.scratch).steps({"none": []}, job.spec.steps, "toy"):
        pass
    job.output("words").write_text("done")
    return {}


def test_the_record_tells_it_and_the_card_does_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outputs = ["words=words", "card=card.json", "record=record.json"]
    for steps in (3, 2):  # of the second job alone, though both run in one process
        words = job_words("datasets.fetch_dataset", {"steps": steps}, outputs)
        run("datasets.fetch_dataset", ToySpec, toy, words)
        record = json.loads((tmp_path / "record.json").read_text())
        assert record["pace"]["steps"]["done"] == steps
        assert record["pace"]["steps"]["seconds_each"] >= 0
        assert "pace" not in (tmp_path / "card.json").read_text()
