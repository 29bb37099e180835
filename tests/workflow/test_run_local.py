"""A local run that keeps going does all that no failure touches, and says its status."""

import os
import subprocess
import sys

SHEET = "pipeline_steps/papers/figures/manifold_sheet.py"
FIGURES = [
    f"results/demo/papers/ijsat/{name}.png" for name in ("figure4", "figure-glow")
]


def run_local(house, *arguments):
    """The status of a local run, and what it says."""
    command = [sys.executable, "-m", "pipeline_steps.cli", "run", "--keep-going"]
    done = subprocess.run(
        [*command, *arguments],
        cwd=house.root,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )
    return done.returncode, done.stderr


def test_a_broken_job_says_its_sentence_and_the_others_go_on(made, tmp_path):
    house = made.copy(tmp_path / "house")
    # Both figures are to be made again, and one of them can't be.
    house.append("pipeline_steps/papers/make_figure.py", "\nEDITED = True\n")
    house.append(SHEET, '\nraise SystemExit("error: the paper has run out")\n')
    status, said = run_local(house, *FIGURES)
    assert status == 1
    sentence = "failed: IJSAT, Definition 1 in pictures: the paper has run out"
    assert said.splitlines()[-4] == sentence
    assert "1 jobs done, 1 failed, 0 left" in said
    assert "--spec" not in said
    assert (house.root / FIGURES[0]).is_file()
    house.edit(SHEET, r"^raise .*\n", "")
    status, said = run_local(house, *FIGURES)
    assert status == 0 and "1 jobs done, 0 failed, 0 left" in said


def test_what_ends_a_run_before_any_job_is_shown(made, tmp_path):
    house = made.copy(tmp_path / "house")
    status, said = run_local(house, "--scale", "demoo")
    assert status == 1
    assert "error: there is no scale 'demoo'; did you mean 'demo'?" in said
