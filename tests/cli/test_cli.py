"""The command `robust-papers`: quick to help, the same options everywhere, plain errors."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from pipeline_steps.cli import app, main
from pipeline_steps.cluster.snakemake_arguments import with_scale
from pipeline_steps.config.load import load_config, scales
from pipeline_steps.core.registry import ROOT

SUBCOMMANDS = (
    "cluster",
    "data",
    "evaluate",
    "list",
    "plan",
    "publish",
    "pull",
    "verify",
    "run",
    "tables",
    "watch",
    "why",
)
# What takes a tenth of a second or more to import, and what each of them works with.
HEAVY = ("torch", "pandas", "numpy", "matplotlib", "snakemake", "dvc", "yaml")

HELP_OF_ALL = f"""
import sys
from typer.testing import CliRunner
from pipeline_steps.cli import app
for command in {SUBCOMMANDS}:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0 and "--help" in result.output, command
print([name for name in {HEAVY} if name in sys.modules])
"""
# Played in place of `python -m snakemake`.
SNAKEMAKE = "import sys\nprint(*sys.argv[1:])\nsys.exit(3)\n"


def commands() -> dict[str, TyperCommand]:
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    return {n: c for n, c in group.commands.items() if isinstance(c, TyperCommand)}


def said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str
) -> tuple[object, str]:
    """How the command exits, as Python is told, and what it prints."""
    monkeypatch.setattr(sys, "argv", ["robust-papers", *words])
    with pytest.raises(SystemExit) as exit_:
        main()
    return exit_.value.code, capsys.readouterr().out


# ---- Help ------------------------------------------------------------------------------


def test_these_subcommands_and_no_others_are_known():
    assert sorted(commands()) == sorted(SUBCOMMANDS)


def test_help_imports_nothing_that_takes_long():
    done = subprocess.run(
        [sys.executable, "-c", HELP_OF_ALL],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


def test_help_takes_less_than_a_second_of_a_processor():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "pipeline_steps.cli", "plan", "--help"]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    assert took < 1


def test_an_option_has_one_meaning_and_one_default():
    """But `help`, and the arguments, which each subcommand has of its own."""
    options: dict[str, dict[str, object]] = {}
    for name, command in commands().items():
        for parameter in command.params:
            if parameter.param_type_name == "option":
                facts = (
                    parameter.default,
                    parameter.opts,
                    getattr(parameter, "help", ""),
                )
                options.setdefault(str(parameter.name), {})[name] = facts
    for option, by_command in options.items():
        assert len({str(facts) for facts in by_command.values()}) == 1, option
    assert len(options["scale"]) == 9
    assert len(options["cores"]) == 3


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_each_subcommand_and_option_says_what_it_does(name):
    command = commands()[name]
    assert command.help
    for parameter in command.params:
        assert getattr(parameter, "help", None), parameter.name


# ---- Names -----------------------------------------------------------------------------


def test_everything_with_a_name_is_listed_with_its_title(capsys, monkeypatch):
    code, out = said(capsys, monkeypatch, "list", "--json")
    things = json.loads(out)
    assert code == 0
    config = load_config("demo")
    names: dict[str, dict[str, str]] = {}
    for thing in things:
        names.setdefault(thing["kind"], {})[thing["name"]] = thing["title"]
    papers = config.papers
    assert names["papers"] == {name: paper.title for name, paper in papers.items()}
    for kind in ("tables", "figures", "calibrations"):
        assert names[kind] == {
            f"{paper}_{name}": page.title
            for paper, content in papers.items()
            for name, page in getattr(content, kind).items()
        }
    for kind, known in (
        ("defenses", config.defenses.defenses),
        ("threats", config.threats),
        ("datasets", config.datasets),
        ("generators", config.generators),
    ):
        assert names[kind] == {name: entry.title for name, entry in known.items()}
    assert [*names["scales"]] == scales()


def test_a_kind_or_a_paper_is_listed_alone_a_line_each(capsys, monkeypatch):
    _, threats = said(capsys, monkeypatch, "list", "threats")
    lines = threats.splitlines()
    assert len(lines) == len(load_config("demo").threats)
    assert {line.split()[0] for line in lines} == {"threats"}
    (line,) = (line for line in lines if line.split()[1] == "pgd20")
    assert line.split(maxsplit=2)[2] == load_config("demo").threats["pgd20"].title
    _, ijsat = said(capsys, monkeypatch, "list", "ijsat")
    assert {line.split()[1].partition("_")[0] for line in ijsat.splitlines()} == {
        "ijsat"
    }


def test_a_shell_completes_names():
    asked = {
        "_ROBUST_PAPERS_COMPLETE": "complete_bash",
        "COMP_WORDS": "robust-papers run --scale reh",
        "COMP_CWORD": "3",
    }
    done = subprocess.run(
        [sys.executable, "-m", "pipeline_steps.cli"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=os.environ | asked,
    )
    assert done.stdout.split() == ["rehearsal"]


# ---- Errors ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["list", "thretas"],
            "'thretas' is neither a kind of thing nor a paper; did you",
        ),
        (
            ["list", "--scale", "demoo"],
            "there is no scale 'demoo'; did you mean 'demo'?",
        ),
        (
            ["tables", "--scale", "papre"],
            "there is no scale 'papre'; did you mean 'paper'?",
        ),
        (["why", "nothing.csv"], "there is no nothing.csv"),
        (
            ["data", "cifra10"],
            "there is no data set 'cifra10'; did you mean 'cifar10'?",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_a_mistake_is_one_sentence(capsys, monkeypatch, words, sentence):
    monkeypatch.chdir(ROOT)
    code, out = said(capsys, monkeypatch, *words)
    assert isinstance(code, str) and code.startswith(f"error: {sentence}")
    assert "\n" not in code
    assert out == ""


@pytest.mark.parametrize("command", ["run", "cluster", "plan", "publish", "pull"])
def test_what_needs_a_checkout_says_so_elsewhere(
    capsys, monkeypatch, tmp_path, command
):
    monkeypatch.chdir(tmp_path)
    code, _ = said(capsys, monkeypatch, command)
    assert code == (
        f"error: `robust-papers {command}` works in a checkout of the project, and "
        f"{tmp_path} is none; cd into yours, or get one with git clone"
    )


def test_lists_and_counts_need_no_checkout(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert said(capsys, monkeypatch, "list", "papers")[0] == 0
    assert said(capsys, monkeypatch, "tables")[0] == 0


def test_a_mistyped_subcommand_gets_the_nearest(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["robust-papers", "plna"])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 2
    assert "Did you mean 'plan'?" in capsys.readouterr().err


# ---- What Snakemake is told --------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that passes for a checkout, in which Snakemake tells its arguments."""
    (tmp_path / "workflow").mkdir()
    (tmp_path / "Snakefile").touch()
    (tmp_path / "snakemake.py").write_text(SNAKEMAKE)
    (tmp_path / "slurm").mkdir()
    (tmp_path / "slurm/config.yaml").write_text(
        "executor: slurm\nconfig:\n  - scale=paper\n  - gpus=gres:a100\n"
    )
    return tmp_path


def run(checkout: Path, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "pipeline_steps.cli", "run", *words],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", "--cores 2 --config scale=demo"),
        ("ijsat -n", "--cores 2 --dry-run ijsat --config scale=demo"),
        ("--scale small --cores 8 jat", "--cores 8 jat --config scale=small"),
        (
            "a.csv --forcerun make_table --config pool=no",
            "--cores 2 a.csv --forcerun make_table --config scale=demo pool=no",
        ),
        (
            "--profile slurm --scale small ijsat",
            "--profile slurm ijsat --config scale=small gpus=gres:a100",
        ),
    ],
)
def test_run_is_snakemake_with_the_scale(checkout, words, told):
    done = run(checkout, *words.split())
    assert done.stdout == f"{told}\n", done.stderr
    assert done.returncode == 3


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            "--config limited=yes ijsat",
            "ijsat --config scale=demo gpus=gres:a100 limited=yes",
        ),
        ("-C scale=small", "--config scale=small gpus=gres:a100"),
        ("--set-threads a=2", "--set-threads a=2 --config scale=demo gpus=gres:a100"),
    ],
)
def test_the_line_goes_before_the_option_and_that_before_the_profile(
    checkout, words, expected
):
    assert with_scale(words.split(), "demo", "slurm", checkout) == expected.split()


def test_the_code_of_the_checkout_answers_whichever_is_installed(tmp_path):
    package = tmp_path / "pipeline_steps"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "cli.py").write_text("import sys\nprint('own', *sys.argv[1:])\n")
    done = subprocess.run(
        [sys.executable, "-c", "from pipeline_steps.cli import main; main()", "plan"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"},
    )
    assert done.stdout == "own plan\n", done.stderr
