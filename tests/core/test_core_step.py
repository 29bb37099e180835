"""A step ends in all of its outputs with a card, or in one sentence and nothing."""

import json
import time
from itertools import count

import pytest

from pipeline_steps.core.digest import code
from pipeline_steps.core.errors import Interrupted, PipelineError
from pipeline_steps.core.files import read_json, sha256
from pipeline_steps.core.job_file import JobFile
from pipeline_steps.core.settings import Count, Settings
from pipeline_steps.core.step import INTERRUPTED, run
from tests.job_words import job_words

STEP = "datasets.fetch_dataset"


class ToySpec(Settings):
    """What the toy step is told."""

    times: Count
    failure: str = ""


FAILURES = {
    "sentence": PipelineError("the toy broke; mend it"),
    "interrupted": Interrupted("SIGTERM: saved after step 3 of 9"),
    "memory": MemoryError("4 GB"),
    "full disk": OSError(28, "No space left on device"),
    "bug": ZeroDivisionError("a bug"),
}


def repeat(job):
    """Repeats its input, and fails on demand when all but the end is written."""
    text = job.verified("words", "words").read_text() * job.spec.times
    job.output("whole").write_text(text)
    job.scratch.mkdir(parents=True, exist_ok=True)
    if job.spec.failure:
        raise FAILURES[job.spec.failure]
    job.output("length").write_text(str(len(text)))
    return {"length": len(text)}


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """Runs the toy step in a folder: its exit status, and the folder's files."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words").write_text("hello ")
    facts = {"sha256": sha256(tmp_path / "words"), "bytes": 6}
    card = {
        "outputs": {"words": facts},
        "step": "",
        "spec": {},
        "code": {},
        "inputs": {},
    }
    (tmp_path / "words.json").write_text(json.dumps(card))

    def toy(folder="out", code=None, **spec):
        roles = {"whole": "whole.txt", "length": "length.txt", "card": "card.json"}
        outputs = [f"{role}={folder}/{name}" for role, name in roles.items()]
        command = job_words(
            STEP,
            {"times": 2, **spec},
            [*outputs, f"record={folder}/record.json"],
            ["words=words", "words_card=words.json"],
            code=code,
        )
        try:
            run(STEP, ToySpec, repeat, command)
        except SystemExit as error:
            return error.code
        return 0

    return toy


def everything_in(folder):
    found = (
        [path for path in folder.rglob("*") if path.is_file()]
        if folder.exists()
        else []
    )
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_a_card_is_the_same_bytes_whenever_the_job_is_repeated(toy, tmp_path):
    assert (toy("one"), toy("two")) == (0, 0)
    one, two = everything_in(tmp_path / "one"), everything_in(tmp_path / "two")
    assert one.keys() == {"whole.txt", "length.txt", "card.json", "record.json"}
    assert {**one, "record.json": b""} == {**two, "record.json": b""}


def test_a_card_tells_settings_code_inputs_outputs_and_metrics(toy, tmp_path):
    toy()
    card = read_json(tmp_path / "out" / "card.json")
    spec = {"times": 2, "failure": ""}
    assert card["spec"] == spec
    assert card["code"]["digest"] == code(STEP, spec).digest
    # An input with a card is told by its card, which tells the bytes.
    words = tmp_path / "words.json"
    told = {"sha256": sha256(words), "bytes": words.stat().st_size}
    assert card["inputs"] == {"words_card": [{"file": "../words.json", **told}]}
    whole = {"sha256": sha256(tmp_path / "out" / "whole.txt"), "bytes": 12}
    assert card["outputs"]["whole"] == {"file": "whole.txt", **whole}
    assert card["outputs"].keys() == {"whole", "length"}
    assert card["metrics"] == {"length": 12}


def test_a_record_tells_of_the_run_and_no_path_is_in_a_card(toy, tmp_path):
    toy()
    record = read_json(tmp_path / "out" / "record.json")
    assert {
        "machine",
        "python",
        "started",
        "seconds",
        "peak_memory_mb",
    } <= record.keys()
    assert str(tmp_path) not in (tmp_path / "out" / "card.json").read_text()


@pytest.mark.parametrize("jump", [-176_392.0, 3.0e7])
def test_a_clock_that_is_set_meanwhile_changes_no_duration(
    toy, tmp_path, monkeypatch, jump
):
    """Each look at the calendar finds it further off."""
    calendar, looks = time.time, count(1)
    monkeypatch.setattr(time, "time", lambda: calendar() + next(looks) * jump)
    begun = time.monotonic()
    assert toy() == 0
    record = read_json(tmp_path / "out" / "record.json")
    assert 0 <= record["seconds"] <= time.monotonic() - begun + 0.01


@pytest.mark.parametrize(
    ("failure", "status", "told"),
    [
        ("sentence", 1, "error: the toy broke; mend it"),
        ("interrupted", INTERRUPTED, "SIGTERM: saved after step 3 of 9"),
        ("memory", 1, "error: out of memory (4 GB); ask for more"),
        ("full disk", 1, "error: the disk is full"),
    ],
)
@pytest.mark.parametrize("earlier", [False, True])
def test_a_failed_step_leaves_nothing_but_what_was_there(
    toy, tmp_path, capsys, failure, status, told, earlier
):
    if earlier:
        toy(times=5)
    before = everything_in(tmp_path / "out")
    assert toy(failure=failure) == status
    assert told in capsys.readouterr().err
    assert everything_in(tmp_path / "out") == before


def test_a_bug_keeps_its_traceback_and_leaves_nothing(toy, tmp_path):
    with pytest.raises(ZeroDivisionError):
        toy(failure="bug")
    assert everything_in(tmp_path / "out") == {}


def test_what_a_killed_job_must_find_again_goes_when_it_succeeds(toy, tmp_path):
    toy(failure="interrupted")
    unfinished = tmp_path / "results" / ".unfinished"
    assert len(list(unfinished.iterdir())) == 1
    toy(failure="")
    assert len(list(unfinished.iterdir())) == 1, "other settings have another folder"
    toy(failure="interrupted")
    assert len(list(unfinished.iterdir())) == 1


def damage(tmp_path, what):
    words, card = tmp_path / "words", tmp_path / "words.json"
    content = json.loads(card.read_text())
    if what == "size":
        words.write_text("hell")
    elif what == "digest":
        words.write_text("hallo ")
    elif what == "role":
        content["outputs"] = {"others": content["outputs"]["words"]}
        card.write_text(json.dumps(content))
    elif what == "file":
        words.unlink()
    elif what == "card":
        card.unlink()
    elif what == "half a card":
        card.write_text(card.read_text()[:40])
    else:
        card.write_text('{"step": 1}')


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("size", "words has 4 bytes where its card words.json says 6: it is truncated"),
        ("digest", "words does not match its card words.json; delete it"),
        ("role", "words.json lists no 'words'"),
        ("file", "words is missing; build it, or pull it"),
        ("card", "words.json is missing; build it, or pull it"),
        ("half a card", "words.json is not readable JSON"),
        ("no card", "words.json is not a run card"),
    ],
)
def test_an_input_that_is_not_what_its_card_says_is_refused(
    toy, tmp_path, capsys, what, told
):
    damage(tmp_path, what)
    assert toy() == 1
    assert f"error: {told}" in capsys.readouterr().err
    assert everything_in(tmp_path / "out") == {}


def test_a_job_that_was_planned_with_other_code_is_refused(toy, capsys):
    now = code(STEP, {"times": 2, "failure": ""}).digest
    assert toy(code=now) == 0
    assert toy(code="0" * 64) == 1
    assert "changed after this job was planned" in capsys.readouterr().err


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"times": 0}, id="out of range"),
        pytest.param({"times": 1, "tims": 2}, id="an unknown key"),
    ],
)
def test_a_spec_that_does_not_fit_is_refused(tmp_path, capsys, monkeypatch, spec):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        run(STEP, ToySpec, repeat, job_words(STEP, spec, ["card=card.json"]))
    assert ended.value.code == 1
    assert f"do not fit {STEP}" in capsys.readouterr().err
    assert everything_in(tmp_path) == {}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("{", "is not readable JSON", id="cut"),
        pytest.param('{"step": "a.b"}', "is not a job file", id="incomplete"),
        pytest.param(None, "is missing", id="missing"),
    ],
)
def test_a_file_that_describes_no_job_is_refused(
    tmp_path, capsys, monkeypatch, text, sentence
):
    place = tmp_path / "job.json"
    if text:
        place.write_text(text)
    with pytest.raises(SystemExit) as ended:
        run(STEP, ToySpec, repeat, [str(place)])
    assert ended.value.code == 1
    assert sentence in capsys.readouterr().err


def test_a_job_of_another_step_is_refused(capsys):
    with pytest.raises(SystemExit):
        run(STEP, ToySpec, repeat, job_words("papers.make_table", {}, ["csv=a.csv"]))
    assert (
        f"describes a job of papers.make_table, not of {STEP}"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    "command", [[], ["--spec", "{}"], ["job.json", "--output", "a=b"]]
)
def test_a_command_that_is_not_understood_ends_in_its_usage(capsys, command):
    with pytest.raises(SystemExit) as ended:
        run(STEP, ToySpec, repeat, command)
    assert ended.value.code == 2
    assert "usage: python -m pipeline_steps." in capsys.readouterr().err


def test_a_name_stands_for_any_number_of_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = {}

    def remember(job):
        told.update(job.inputs)
        return {}

    for name in ("one", "two"):
        (tmp_path / name).touch()
    inputs = {"many": ["one", "two"], "none": [], "last": ["two"]}
    run(STEP, ToySpec, remember, job_words(STEP, {"times": 1}, ["card=c.json"], inputs))
    plain = {name: [path.name for path in paths] for name, paths in told.items()}
    assert plain == {"many": ["one", "two"], "none": [], "last": ["two"]}


def test_settings_reach_a_step_in_the_order_of_their_digest(tmp_path):
    """Else two jobs of one digest could differ, as an ensemble's parts have an order."""
    spec = {"parts": {"gray": 1, "bpda": 2}}
    JobFile("a.step", spec, {"card": "card.json"}).write(tmp_path / "job.json")
    read = JobFile.read(tmp_path / "job.json")
    assert list(read.spec["parts"]) == ["bpda", "gray"]
    assert read.spec_digest == JobFile("a.step", spec, {}).spec_digest
