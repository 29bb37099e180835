"""Who follows a run never ends it, and leaves to Snakemake what Snakemake shows."""

import logging
from collections.abc import Iterator
from io import StringIO
from types import SimpleNamespace

import pytest
from snakemake.logging import ColorizingTextHandler, logger

from pipeline_steps.jobs.rules import Rules
from pipeline_steps.terminal.follower import Follower


@pytest.fixture
def screen() -> Iterator[StringIO]:
    """What Snakemake's own handler shows."""
    stream = StringIO()
    before, logger.handlers = logger.handlers, [ColorizingTextHandler(stream=stream)]
    logger.setLevel(logging.INFO)
    yield stream
    logger.handlers = before


def workflow(**options: bool) -> SimpleNamespace:
    """A workflow as the Snakefile knows it while it is read."""
    settings = {"dryrun": False, "debug_dag": False, "verbose": False, "quiet": None}
    return SimpleNamespace(
        is_main_process=True,
        touch=False,
        output_settings=SimpleNamespace(**settings | options),
    )


def test_the_prelude_is_held_back_and_other_words_are_not(screen):
    follower = Follower.attach(workflow(), Rules("demo"))
    assert follower and follower.shows
    logger.info("Building DAG of jobs...")
    logger.info("Nothing to be done (all requested files are present).")
    logger.error("MissingInputException")
    assert "Building" not in screen.getvalue()
    assert "Nothing to be done" in screen.getvalue()
    assert "MissingInputException" in screen.getvalue()


def test_a_run_that_cannot_be_followed_goes_on_in_snakemakes_words(screen):
    follower = Follower.attach(workflow(), Rules("demo"))
    assert follower
    logger.info("Building DAG of jobs...")
    follower.begin(workflow())  # it has no graph
    logger.info("Select jobs to execute...")
    said = screen.getvalue()
    assert "Building DAG" in said and "Select jobs" in said
    assert "This run can't be followed: AttributeError" in said


def test_a_touched_run_is_told_by_snakemake(screen):
    follower = Follower.attach(workflow(), Rules("demo"))
    assert follower
    logger.info("Building DAG of jobs...")
    touched = workflow()
    touched.touch = True
    follower.begin(touched)
    assert "Building DAG" in screen.getvalue()
    assert "followed" not in screen.getvalue()


@pytest.mark.parametrize("option", ["verbose", "quiet"])
def test_who_asks_for_more_or_less_of_snakemake_gets_it(screen, option):
    follower = Follower.attach(workflow(**{option: True}), Rules("demo"))
    assert follower and not follower.shows
    logger.info("Building DAG of jobs...")
    assert "Building DAG" in screen.getvalue()


def test_a_dry_run_is_not_followed(screen):
    assert Follower.attach(workflow(dryrun=True), Rules("demo")) is None


def test_beside_another_logger_plugin_nothing_is_shown(screen):
    logger.handlers = []
    follower = Follower.attach(workflow(), Rules("demo"))
    assert follower and not follower.shows
