"""`python -m pipeline_steps RESULT`: as planned, from the config, or one sentence."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline_steps import layout
from pipeline_steps.core.card import read_card
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.job_file import JobFile, place_of
from pipeline_steps.core.registry import ROOT
from pipeline_steps.jobs.planned import planned_for
from pipeline_steps.jobs.rules import Rules
from pipeline_steps.run_job import described

ARCHIVE = "data/digits/archive"
IMAGES = "data/digits/train.images.npy"
CARD = "data/cards/digits.json"
VERDICTS = "results/demo/verdicts/digits/at/pgd20.parquet"
OTHER = "0" * 64

# Jobs that the demo may have, one of each rule; only users have models to adopt.
JOBS = {
    "fetch_dataset": "digits",
    "build_dataset": "digits",
    "show_dataset": "digits",
    "corrupt_dataset": "digits fog",
    "train_flow": "digits glow",
    "train_gan": "digits sngan",
    "project_dataset": "digits glow test",
    "project_shard": "digits sngan test 1-of-3",
    "gather_manifold": "digits sngan test",
    "train_defense": "digits at",
    "attack_defense": "digits at pgd20",
    "attack_shard": "digits at jsa50 2-of-2",
    "gather_verdicts": "digits at jsa50",
    "explain_defense": "digits at pgd20",
    "attack_snapshots": "digits at pgd20",
    "make_table": "ijsat table1",
    "make_figure": "ijsat figure2",
    "calibrate": "ijsat calibration-elastic",
    "check_claims": "ijsat",
    "gather_claims": "",
    "make_report": "",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results lie here; the config and the code are those of the checkout."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def typed(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "pipeline_steps", *words],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


def sentence(done: subprocess.CompletedProcess) -> str:
    """What a refused job says; nothing else, and it has written nothing."""
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert not [path for path in Path().rglob("*") if path.is_file()]
    return line.partition("error: ")[2]


def planned() -> JobFile:
    return planned_for(VERDICTS, "demo").file


def as_planned(job: JobFile) -> tuple[str, str, str, str | None]:
    """What a rule's line says."""
    return VERDICTS, "demo", job.spec_digest, job.code


def planned_anew() -> JobFile:
    """The job where no description is of use; a new one is left for its step."""
    job = described(*as_planned(planned()))
    assert job == planned()
    assert JobFile.read(place_of(VERDICTS)) == job
    return job


# ---- By hand -------------------------------------------------------------------------


def test_a_result_typed_by_hand_is_made_from_the_config(folder: Path) -> None:
    for result in (ARCHIVE, IMAGES):
        done = typed(result)
        assert done.returncode == 0, done.stderr
    card = read_card(folder / CARD)
    job = planned_for(IMAGES, "demo")
    assert (card.step, card.spec) == ("datasets.build_dataset", job.spec)
    assert card.code["digest"] == job.code
    assert {Path(path).is_file() for path in job.outputs.values()} == {True}
    assert not [*folder.glob("results/.jobs/*")], "its description goes with it"


@pytest.mark.parametrize("role", ["verdicts", "examples", "card", "record"])
def test_any_file_of_a_job_names_it(role: str) -> None:
    job = planned()
    assert described(job.outputs[role], "demo", None, None) == job


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--minutes", "ten"], "argument --minutes: 'ten' is not a number above 0"),
        (["--minutes", "-5"], "argument --minutes: '-5' is not a number above 0"),
        (["--processes", "two"], "argument --processes: 'two' is not a number above 0"),
        (["--processes", "0"], "argument --processes: '0' is not a number above 0"),
    ],
    ids=" ".join,
)
def test_a_number_that_is_none_is_told(words: list[str], told: str) -> None:
    done = typed(ARCHIVE, *words)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == f"python -m pipeline_steps: error: {told}"


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ("", "no job makes .: no rule has results of such a name"),
        ("results/demo/index.htm", "…; did you mean 'results/demo/index.html'?"),
        (
            "results/dmeo/index.html",
            "there is no scale 'dmeo'; did you mean 'demo'?",
        ),
    ],
    ids=["nothing", "an ending", "a scale"],
)
def test_a_result_that_is_none_is_told(result: str, told: str) -> None:
    assert sentence(typed(result)).endswith(told.removeprefix("…"))


def test_a_result_may_be_typed_with_its_folder(folder: Path) -> None:
    for result in (f"./{ARCHIVE}", str(folder / IMAGES)):
        done = typed(result)
        assert done.returncode == 0, done.stderr
    assert (folder / CARD).is_file()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "job.json is not readable JSON ("),
        (
            "[]",
            "job.json is not a job file; to make a result, run `python -m "
            "pipeline_steps RESULT`",
        ),
        ('{"step": 3}', "job.json is not a job file; "),
        (
            '{"step": "datasets.show_dataset", "spec": {"dataset": 1}, "outputs": {}}',
            "do not fit datasets.show_dataset: dataset: it should hold settings, `key:",
        ),
        (
            '{"step": "datasets.show_dataset", "spec": {"datset": 1}, "outputs": {}}',
            "the settings in job.json do not fit datasets.show_dataset: dataset: the key",
        ),
    ],
    ids=["empty", "a list", "half of it", "a wrong kind", "a missing key"],
)
def test_a_step_whose_job_is_wrong_ends_in_a_sentence(content, told, a_sentence):
    Path("job.json").write_text(content)
    done = subprocess.run(
        [sys.executable, "-m", "pipeline_steps.datasets.show_dataset", "job.json"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 1
    assert told in a_sentence(done.stderr)
    assert "pydantic" not in done.stderr


# ---- As planned ----------------------------------------------------------------------


def test_a_job_is_what_was_planned_whatever_the_config_says_now() -> None:
    other = planned()
    spec = {**other.spec, "images": 7}
    job = replace(other, spec=spec)
    job.write(place_of(VERDICTS))
    assert described(*as_planned(job)) == job
    # A person gives no digests, and has what the config says.
    assert described(VERDICTS, "demo", None, None) == other


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ("spec", f"the settings of {IMAGES} changed after this job was planned"),
        (
            "code",
            "the code of datasets.build_dataset changed after this job was planned",
        ),
    ],
)
def test_planned_settings_and_code_that_are_no_more_are_refused(
    changed: str, says: str
) -> None:
    job = planned_for(IMAGES, "demo")
    digests = {"spec": job.spec_digest, "code": job.code, changed: OTHER}
    said = sentence(typed(IMAGES, "--spec", digests["spec"], "--code", digests["code"]))
    assert said.startswith(f"{says}; run snakemake again")


@pytest.mark.parametrize("rule", sorted(JOBS))
def test_the_line_of_a_rule_finds_its_job_where_the_plan_describes_it(
    rule: str,
) -> None:
    """Else each job would plan itself again, which takes a second, and nobody would know."""
    rules = Rules("demo")
    names = dict(zip(layout.RULES[rule].wildcards, JOBS[rule].split(), strict=True))
    (role,) = re.findall(r"-m pipeline_steps \{output\.(\w+)\} ", rules[rule].shell)
    rules.describe([SimpleNamespace(rule=SimpleNamespace(name=rule), wildcards=names)])
    result = rules[rule].outputs[role].format(**names)
    assert [*Path("results/.jobs").iterdir()] == [place_of(result)]


def test_the_line_of_every_rule_is_tried() -> None:
    assert JOBS.keys() == layout.RULES.keys() - {"adopt_defense"}


# ---- Descriptions that are of no use -------------------------------------------------


def test_a_job_whose_description_is_gone_is_planned_again() -> None:
    planned_anew()


@pytest.mark.parametrize("end", [0, 40], ids=["empty", "cut"])
def test_a_job_whose_description_was_cut_is_planned_again(end: int) -> None:
    place = place_of(VERDICTS)
    planned().write(place)
    place.write_bytes(place.read_bytes()[:end])
    planned_anew()


def test_a_job_whose_description_holds_something_else_is_planned_again() -> None:
    place = place_of(VERDICTS)
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps({"step": "evaluation.attack_defense"}))
    planned_anew()


@pytest.mark.parametrize("key", ["spec", "code"])
def test_a_job_whose_description_is_of_other_settings_is_planned_again(
    key: str,
) -> None:
    job = planned()
    others = {"spec": {**job.spec, "images": 7}, "code": OTHER}
    replace(job, **{key: others[key]}).write(place_of(VERDICTS))
    planned_anew()


def test_what_is_planned_again_is_checked_too() -> None:
    for spec, code, what in (
        (OTHER, planned().code, "settings"),
        (planned().spec_digest, OTHER, "code"),
    ):
        planned().write(place_of(VERDICTS))
        with pytest.raises(PipelineError, match=f"the {what} of .* changed after"):
            described(VERDICTS, "demo", spec, code)


# ---- What is no result ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("README.md", "no rule has results of such a name"),
        ("results/demo/verdicts/digits/at/pgd21.parquet", "did you mean 'pgd2"),
        (
            "results/demo/cards/verdicts/digits/at/pgd21.record.json",
            "no threat 'pgd21'",
        ),
        ("results/dmeo/index.html", "dmeo"),
    ],
    ids=["no result", "a threat", "a record", "a scale"],
)
def test_a_path_that_no_job_makes_is_a_sentence(path: str, says: str) -> None:
    assert says in sentence(typed(path))
