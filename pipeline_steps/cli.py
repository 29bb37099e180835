"""One command for all that a user does: `robust-papers SUBCOMMAND`.

Each subcommand imports what it runs when it is called, so that `--help` answers at once;
`python -m pipeline_steps.cli` is the same where no script is installed.
"""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Exit, Option, Typer

from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import ROOT

app = Typer(
    name="robust-papers",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Four papers on adversarial robustness, reproduced table by table.",
)

# Options that a subcommand does not know go to Snakemake.
PASSES_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


# ---- Names that a shell completes, and options that mean the same everywhere -------------


def _known(kind: str, incomplete: str) -> Iterable[tuple[str, str]]:
    """Names of a kind with their titles, for completion; none if the config is invalid."""
    from pipeline_steps.config.load import load_config
    from pipeline_steps.listing import listed

    try:
        things = listed(load_config("demo"), kind)
    except PipelineError:
        return []
    return [(t.name, t.title) for t in things if t.name.startswith(incomplete)]


def _scales(incomplete: str) -> Iterable[tuple[str, str]]:
    return _known("scales", incomplete)


def _papers(incomplete: str) -> Iterable[tuple[str, str]]:
    return _known("papers", incomplete)


def _defenses(incomplete: str) -> Iterable[tuple[str, str]]:
    return _known("defenses", incomplete)


def _datasets(incomplete: str) -> Iterable[tuple[str, str]]:
    return _known("datasets", incomplete)


def _threats(incomplete: str) -> Iterable[tuple[str, str]]:
    return _known("threats", incomplete)


def _targets(incomplete: str) -> Iterable[tuple[str, str]]:
    kinds = ("papers", "tables", "figures", "calibrations")
    return [name for kind in kinds for name in _known(kind, incomplete)]


Scale = Annotated[
    str,
    Option(
        help="How large everything is: a file in workflow/config/scales.",
        autocompletion=_scales,
    ),
]
Cores = Annotated[int, Option(help="Cores of this machine to use.", min=1)]
Json = Annotated[bool, Option("--json", help="Print one JSON document.")]
Targets = Annotated[
    list[str] | None,
    Argument(
        metavar="TARGET",
        help="Papers, tables (ijsat_table1), figures or files, and any of "
        "Snakemake's options.",
        autocompletion=_targets,
        show_default=False,
    ),
]

DEMO, TWO = "demo", 2


# ---- Compute ---------------------------------------------------------------------------


@app.command(context_settings=PASSES_ON, rich_help_panel="Compute")
def run(
    targets: Targets = None,
    scale: Scale = DEMO,
    cores: Cores = TWO,
    profile: Annotated[
        str | None,
        Option(help="A Snakemake profile, which sets how many jobs run at once."),
    ] = None,
    dry_run: Annotated[
        bool, Option("--dry-run", "-n", help="Only show what would run.")
    ] = False,
    keep_going: Annotated[
        bool,
        Option(
            "--keep-going",
            "-k",
            help="After a failure, continue with all other jobs; list failures at the end.",
        ),
    ] = False,
) -> None:
    """Build tables, figures, papers or any file, with Snakemake.

    Without a target: everything that the scale makes by default, and the report.
    """
    root = _checkout("run")
    from pipeline_steps.cluster.run_local import run_local
    from pipeline_steps.cluster.snakemake_arguments import with_scale

    where = ["--profile", profile] if profile else ["--cores", str(cores)]
    line = [*where, *(["--dry-run"] if dry_run else [])]
    line += with_scale(targets or [], scale, profile, root)
    if keep_going and not dry_run:
        try:
            raise Exit(run_local(line))
        except KeyboardInterrupt:
            sys.exit("stopped; the same command goes on")
    # Replaces this process, so that signals and the terminal are Snakemake's.
    os.execv(sys.executable, [sys.executable, "-m", "snakemake", *line])


@app.command(context_settings=PASSES_ON, rich_help_panel="Compute")
def cluster(
    targets: Targets = None,
    scale: Scale = DEMO,
    orphans: Annotated[
        Literal["wait", "cancel"],
        Option(help="What to do with jobs that an earlier run left."),
    ] = "wait",
    patience: Annotated[
        float,
        Option(
            help="Minutes of silence after which Snakemake restarts, if SLURM has no jobs."
        ),
    ] = 15,
) -> None:
    """Run on SLURM; after any interruption, run it again.

    The settings of your cluster are in slurm/config.yaml.
    """
    root = _checkout("cluster")
    from pipeline_steps.cluster.launch import launch
    from pipeline_steps.cluster.snakemake_arguments import SLURM, with_scale

    line = with_scale(targets or [], scale, SLURM, root)
    try:
        summary = launch(line, orphans, 60 * patience)
    except KeyboardInterrupt:
        sys.exit("stopped; its jobs are cancelled, and the same command goes on")
    print(summary.text(root))
    raise Exit(summary.status)


@app.command(rich_help_panel="Compute")
def watch(
    once: Annotated[
        bool, Option("--once", help="Look once and end, as it does in a pipe.")
    ] = False,
) -> None:
    """Show how far the last run is: what runs, waits, is done and failed, and how long.

    It reads what the run writes, so it may be started and stopped at will, in any terminal
    that sees the checkout.
    """
    root = _checkout("watch")
    from pipeline_steps.terminal.watch import watch as watch_run

    watch_run(root, once)


@app.command(context_settings=PASSES_ON, rich_help_panel="Compute")
def plan(targets: Targets = None, scale: Scale = DEMO) -> None:
    """Estimate what a scale will cost on a cluster, before anything is submitted.

    How many jobs there are, how many GPU hours each stage and paper needs, and how long all
    of it lasts on 1, 8 and 64 GPUs; as text, and in results/SCALE/plan as tables and a figure.
    """
    root = _checkout("plan")
    from pipeline_steps.cluster.cost_plan import make_plan
    from pipeline_steps.cluster.plan_figure import draw
    from pipeline_steps.cluster.plan_tables import text, write_tables
    from pipeline_steps.layout import plan_folder

    made = make_plan(scale, targets or [], root)
    folder = plan_folder(made.scale)
    folder.mkdir(parents=True, exist_ok=True)
    write_tables(made, folder)
    draw(made, folder)
    print(text(made))
    print(f"\nTables and figure: {folder}")


@app.command(rich_help_panel="Compute")
def data(
    name: Annotated[
        str,
        Argument(
            help="A data set of workflow/config/datasets.yaml.",
            autocompletion=_datasets,
        ),
    ],
    scale: Scale = DEMO,
    cores: Cores = TWO,
) -> None:
    """Build one data set, and print its card."""
    root = _checkout("data")
    from pipeline_steps.release.data import build, described

    card = build(name, scale, cores, root)
    print("\n".join(described(name, card)))


@app.command(rich_help_panel="Compute")
def evaluate(
    factory: Annotated[
        str,
        Argument(
            help="The function that creates the model: FILE.py:NAME, or MODULE:NAME."
        ),
    ],
    images: Annotated[
        str,
        Argument(
            help="A data set's name; an .npz with `images` and `labels`; or a folder that "
            "has a folder of images for each class.",
            autocompletion=_datasets,
        ),
    ],
    weights: Annotated[
        Path | None,
        Option(help="Its weights: safetensors, or a state dict saved by torch."),
    ] = None,
    argument: Annotated[
        list[str] | None,
        Option(
            metavar="NAME=VALUE", help="An argument of the function; may be repeated."
        ),
    ] = None,
    mean: Annotated[
        str | None,
        Option(
            help="The mean with which the model wants images normalised, such as "
            "0.485,0.456,0.406; by default it takes images in 0 to 1."
        ),
    ] = None,
    std: Annotated[
        str | None, Option(help="The standard deviation, such as 0.229,0.224,0.225.")
    ] = None,
    threat: Annotated[
        list[str],
        Option(help="A threat's name; may be repeated.", autocompletion=_threats),
    ] = ["pgd20"],  # noqa: B006, which typer does not change
    budgets_of: Annotated[
        str,
        Option(
            help="The data set whose budgets the threats use.", autocompletion=_datasets
        ),
    ] = "cifar10",
    steps: Annotated[
        int | None,
        Option(help="The most steps that a threat takes.", min=1),
    ] = None,
    count: Annotated[
        int | None, Option(help="How many images to use, from the first.", min=1)
    ] = None,
    size: Annotated[
        int | None,
        Option(help="Height and width to which a folder's images are resized.", min=1),
    ] = None,
    batch: Annotated[
        int, Option(help="How many images are attacked at once.", min=1)
    ] = 250,
    seed: Annotated[int, Option(help="The random seed.", min=0)] = 0,
    json: Json = False,
) -> None:
    """Attack a model of your own, and measure its accuracy."""
    # As in own.yaml, a MODULE may be in this folder.
    sys.path.insert(0, str(Path.cwd()))
    from robust_papers.command import as_json, images_of, model_of, show, threats_of
    from robust_papers.evaluation import evaluate as evaluate_model

    model = model_of(factory, weights, argument or [], mean, std)
    threats = threats_of(threat, budgets_of, steps)
    data = images_of(images, size, count)
    result = evaluate_model(
        model, threats, data, budgets_of=budgets_of, batch=batch, seed=seed
    )
    if json:
        print(as_json(result))
    else:
        show(result)


# ---- Look ------------------------------------------------------------------------------


@app.command(name="list", rich_help_panel="Look")
def list_names(
    what: Annotated[
        str | None,
        Argument(
            help="Papers, tables, figures, calibrations, defenses, threats, datasets, "
            "generators or scales; or a paper's name.",
            show_default=False,
        ),
    ] = None,
    scale: Scale = DEMO,
    json: Json = False,
) -> None:
    """List names and titles of papers, tables, figures, defenses, threats and so on."""
    from pipeline_steps.config.load import load_config
    from pipeline_steps.listing import as_json, listed, show

    things = listed(load_config(scale), what)
    if json:
        print(as_json(things))
    else:
        show(things)


@app.command(rich_help_panel="Look")
def tables(scale: Scale = DEMO) -> None:
    """Count the papers' printed numbers: computed, or published only, with reasons."""
    from pipeline_steps.config.load import load_config
    from pipeline_steps.jobs.counts import counts, text
    from pipeline_steps.jobs.specs import Specs

    print(text(list(counts(Specs(load_config(scale))))))


@app.command(rich_help_panel="Look")
def why(
    file: Annotated[
        Path, Argument(help="A table, a figure, a checkpoint, verdicts, or a card.")
    ],
    cell: Annotated[
        str | None,
        Option(metavar="'METHOD, COLUMN'", help="A cell of a table."),
    ] = None,
    json: Json = False,
) -> None:
    """Say what made a file: settings, code, seeds, inputs, machine and time."""
    here = Path.cwd()
    root = here if (here / "pipeline_steps").is_dir() else ROOT
    if root == ROOT and not (ROOT / "Snakefile").is_file():
        root = _checkout("why")
    from pipeline_steps.release.why import explain
    from pipeline_steps.release.why_text import document, show

    explained = explain(root, here / file, cell)
    if json:
        print(document(explained))
    else:
        show(explained)


# ---- Share -----------------------------------------------------------------------------


@app.command(rich_help_panel="Share")
def publish(scale: Scale = DEMO) -> None:
    """Bring a scale's results to DVC's remote, and commit what ties them together."""
    root = _checkout("publish")
    from pipeline_steps.release.publish import publish as publish_results
    from pipeline_steps.release.publish import text

    print(text(publish_results(root, scale)))


@app.command(rich_help_panel="Share")
def pull(
    paths: Annotated[
        list[Path] | None, Argument(help="Single files or folders.", show_default=False)
    ] = None,
    scale: Scale = DEMO,
    paper: Annotated[
        str | None,
        Option(help="One paper, with everything it needs.", autocompletion=_papers),
    ] = None,
    defense: Annotated[
        str | None,
        Option(help="The checkpoints of one defense.", autocompletion=_defenses),
    ] = None,
) -> None:
    """Fetch published results, check each against its card, and say what is left to do."""
    root = _checkout("pull")
    from pipeline_steps.release.pull import pull as pull_results
    from pipeline_steps.release.pull import text

    pulled = pull_results(root, scale, paper, defense, paths or [])
    print(text(pulled))
    if pulled.findings:
        raise PipelineError(
            f"{len(pulled.findings)} results are not as they were published"
        )


@app.command(rich_help_panel="Share")
def verify(
    scale: Scale = DEMO,
    every: Annotated[
        bool, Option("--all", help="All scales that have results here.")
    ] = False,
    repair: Annotated[
        bool,
        Option(
            "--repair",
            help="Remove what is damaged, and let Snakemake make it, and what is missing, "
            "again.",
        ),
    ] = False,
    cores: Cores = TWO,
) -> None:
    """Check every result against its card; name what is missing, damaged or unknown."""
    root = _checkout("verify")
    from pipeline_steps.release.verify import repair as repair_results
    from pipeline_steps.release.verify import scales_of, text
    from pipeline_steps.release.verify import verify as verify_results

    wrong = 0
    for name in scales_of(root) if every else [scale]:
        verified = (
            repair_results(root, name, cores) if repair else verify_results(root, name)
        )
        print(text(verified, name))
        wrong += len(verified.findings)
    if wrong:
        count = "1 thing is" if wrong == 1 else f"{wrong} things are"
        remedy = "" if repair else "; `--repair` makes again what its jobs can make"
        raise PipelineError(f"{count} not as it should be{remedy}")


# ---- Where it runs ---------------------------------------------------------------------


def _checkout(command: str) -> Path:
    """The checkout that the command was typed in."""
    here = Path.cwd()
    if not ((here / "Snakefile").is_file() and (here / "workflow").is_dir()):
        raise PipelineError(
            f"`robust-papers {command}` works in a checkout of the project, and {here} is "
            "none; cd into yours, or get one with git clone"
        )
    return here


def _with_code_of_checkout() -> None:
    """Runs the checkout's own code, whichever copy is installed."""
    here = Path.cwd()
    own, python_path = here / "pipeline_steps/cli.py", os.environ.get("PYTHONPATH", "")
    if not own.is_file() or own.samefile(__file__):
        return
    places = [str(here), *filter(None, python_path.split(os.pathsep))]
    if places[1:2] == [str(here)]:  # it was tried
        return
    os.environ["PYTHONPATH"] = os.pathsep.join(places)
    os.execv(
        sys.executable, [sys.executable, "-m", "pipeline_steps.cli", *sys.argv[1:]]
    )


def main() -> None:
    """Entry point of the script: a user's mistake gives one sentence, not a traceback."""
    _with_code_of_checkout()
    try:
        app(prog_name="robust-papers")
    except PipelineError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
