"""What a real run shows: in a pipe, on a terminal, and to who watches it."""

import os
import pty
import re
import subprocess
import sys

import pytest
from workflow_house import House

from pipeline_steps.layout import RUN
from pipeline_steps.terminal.run_state import State, read_run

SHEET = "pipeline_steps/papers/figures/manifold_sheet.py"
FIGURES = [
    f"results/demo/papers/ijsat/{name}.png" for name in ("figure4", "figure-glow")
]
FAILED = "IJSAT, Definition 1 in pictures: the paper has run out"
LOG = "results/demo/logs/make_figure/ijsat/figure-glow.log"
# A job's line in a pipe, with how far the run is.
LINE = re.compile(r"\[\d/2, .* left\]  IJSAT, Figure 4: .* s")


@pytest.fixture(scope="module")
def broken(made, tmp_path_factory):
    """Both figures are to be made again, and one of them can't be."""
    house = made.copy(tmp_path_factory.mktemp("broken") / "house")
    house.append("pipeline_steps/papers/make_figure.py", "\nEDITED = True\n")
    house.append(SHEET, '\nraise SystemExit("error: the paper has run out")\n')
    return House(house.root)


@pytest.fixture(scope="module")
def piped(broken):
    """A run that nobody looks at, and the file in which it tells of itself."""
    done = broken.run("--cores", "1", "--keep-going", *FIGURES)
    return done, read_run(broken.root / RUN)


def test_in_a_pipe_each_job_is_one_plain_line(piped):
    done, _ = piped
    assert done.returncode == 1
    assert done.stdout == ""
    assert "\x1b" not in done.stderr and "\r" not in done.stderr
    lines = done.stderr.splitlines()
    assert sum(bool(LINE.fullmatch(line)) for line in lines) == 1
    assert f"FAILED: {FAILED}" in lines
    assert lines[1].startswith("2 jobs at scale demo: about ")
    assert len(lines) == 8  # nothing of Snakemake's but which profile it takes


def test_the_end_names_what_failed_first_and_where_to_look(piped):
    done, _ = piped
    failed, log, counts, where = done.stderr.splitlines()[-4:]
    assert failed == f"failed: {FAILED}"
    assert log == f"    its log is {LOG}"
    assert re.fullmatch(r"1 jobs done, 1 failed, 0 left, in .* s: 1 figure", counts)
    assert re.fullmatch(r"All that Snakemake said: \.snakemake/log/.*\.log", where)


def test_the_full_log_stays_in_its_file(broken, piped):
    path = piped[0].stderr.splitlines()[-1].partition(": ")[2]
    text = (broken.root / path).read_text()
    assert "rule make_figure:" in text and "Error in rule make_figure:" in text


def test_the_run_is_written_down_for_who_watches_it(broken, piped):
    _, run = piped
    assert run.counts == {State.DONE: 1, State.FAILED: 1}
    assert run.ended > run.began and run.scale == "demo" and run.slots == 1
    done = subprocess.run(
        [sys.executable, "-m", "pipeline_steps.cli", "watch"],
        cwd=broken.root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"failed: {FAILED}" in done.stdout
    assert "Its Snakemake has ended." in done.stdout


def test_on_a_terminal_there_is_a_bar(broken):
    said = on_a_terminal(broken, "--cores", "1", "--keep-going", *FIGURES)
    assert "\x1b[" in said and "━" in said
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", said).replace("\r", "\n")
    assert f"FAILED: {FAILED}" in plain
    assert "0/1, " in plain  # the other figure was made by the run before
    last = [line for line in plain.splitlines() if line][-4:]
    assert last[0].endswith(f"failed: {FAILED}")


def on_a_terminal(house, *arguments):
    """What a terminal of its own shows."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(
        [sys.executable, "-m", "snakemake", *arguments],
        cwd=house.root,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
    ):
        os.close(theirs)
        said = b""
        try:
            while part := os.read(ours, 65536):
                said += part
        except OSError:  # its other end is closed
            pass
        os.close(ours)
    return said.decode()


def test_who_asks_snakemake_for_more_or_less_gets_snakemakes_words(broken):
    quiet = broken.run("--cores", "1", "--quiet", "rules", "--keep-going", *FIGURES)
    assert "SNAKEMAKE" in quiet.stderr and "FAILED: " not in quiet.stderr
