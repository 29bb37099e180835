"""After a change, exactly what the change touches is planned, and nothing else."""

import os
import random
import re
import time

import pytest
from workflow_house import DEMO, House

pytestmark = pytest.mark.xdist_group("workflow")

FETCH = {"fetch_dataset digits"}
BUILD = {"build_dataset digits"}
FLOW = {
    "train_flow digits glow",
    *(f"project_shard digits glow test {shard}" for shard in ("1-of-2", "2-of-2")),
    "gather_manifold digits glow test",
}
GANS = {"train_gan digits sngan", "train_gan digits stylegan"}
# Of these images are sought, and told apart by the features of the normal defense.
SOUGHT = {
    job
    for gan in ("sngan", "stylegan")
    for job in (
        *(f"project_shard digits {gan} test {n}-of-3" for n in (1, 2, 3)),
        f"gather_manifold digits {gan} test",
    )
}
TRAIN = {f"train_defense digits {d}" for d in ("normal", "at", "ijsat")}
SHARDS = {"clean": [], "pgd20": [], "jsa50": ["1-of-2", "2-of-2"]}
LEVELS = [f"ia{level}{budget}" for level in (1, 2, 3) for budget in ("", "-5eta")]
PICTURED = ["om-pgd", "om-pgd-gan", *LEVELS]


def judged(defense: str, threats: dict[str, list[str]]) -> set[str]:
    return {
        job
        for threat, shards in threats.items()
        for job in (
            f"{'gather_verdicts' if shards else 'attack_defense'} digits {defense} {threat}",
            *(f"attack_shard digits {defense} {threat} {shard}" for shard in shards),
        )
    }


TABLE = {job for d in ("normal", "at", "ijsat") for job in judged(d, SHARDS)}
ATTACK = TABLE | judged("normal", {threat: [] for threat in PICTURED})
CURVES = {f"attack_snapshots digits {d} pgd20" for d in ("at", "ijsat")}
IJSAT = {job for job in TRAIN | ATTACK | CURVES if " ijsat" in job}
ON_GAN = {job for job in ATTACK if "om-pgd-gan" in job}
ON_FLOW = {job for job in ATTACK if re.search("jsa50|om-pgd|ia[123]", job)} - ON_GAN
ALL = FETCH | BUILD | FLOW | GANS | SOUGHT | TRAIN | ATTACK | CURVES

# What each page of a paper is made of.
PAGES = {
    "make_table ijsat table1": TABLE,
    "make_figure ijsat figure1": {
        "gather_verdicts digits normal jsa50",
        *(
            f"attack_defense digits normal {threat}"
            for threat in ("pgd20", "om-pgd-gan", "om-pgd")
        ),
    },
    "make_figure ijsat figure2": CURVES,
    "make_figure ijsat figure4": {"gather_verdicts digits at jsa50"},
    "make_figure ijsat figure6": {"gather_manifold digits sngan test"},
    "make_figure ijsat figure8-cifar10": {
        f"attack_defense digits normal {t}" for t in LEVELS
    },
    "make_figure ijsat figure10": {"gather_verdicts digits ijsat jsa50"},
    "make_figure ijsat figure-glow": {"gather_manifold digits glow test"},
    "make_figure ijsat figure-interpolations": {
        f"gather_manifold digits {generator} test" for generator in ("glow", "sngan")
    },
    "make_figure ijsat figure-projection": {"gather_manifold digits sngan test"},
    **{
        f"make_figure dmat {figure}": {"gather_manifold digits stylegan test"}
        for figure in ("figure2", "figure-interpolations", "figure-projection")
    },
    "check_claims ijsat": TABLE | FLOW | CURVES,
    # All claims of the other papers are left out here.
    "gather_claims": TABLE | FLOW | CURVES,
    "make_report": FLOW | GANS | SOUGHT | TRAIN | ATTACK | CURVES,
}


def shown(jobs: set[str]) -> set[str]:
    """Jobs, and the pages that show what they make."""
    return jobs | {page for page, behind in PAGES.items() if behind & jobs}


PROJECTED = SOUGHT | {job for job in FLOW if "train" not in job}
STEPS = "pipeline_steps"
A_LINE = "\n\nADDED = 1\n"

EDITS = {
    "a comment in a shared module": (f"{STEPS}/core/rng.py", "\n# a comment\n", set()),
    "the progress bar": (f"{STEPS}/core/progress.py", A_LINE, set()),
    "the command line": (f"{STEPS}/core/step.py", A_LINE, set()),
    "the config's own code": (f"{STEPS}/jobs/specs.py", A_LINE, set()),
    "what all data sets share": (f"{STEPS}/datasets/canonical.py", A_LINE, ALL),
    "the step that trains": (
        f"{STEPS}/defenses/train_defense.py",
        A_LINE,
        TRAIN | ATTACK | CURVES | SOUGHT,
    ),
    "the step that attacks": (
        f"{STEPS}/evaluation/attack_defense.py",
        A_LINE,
        ATTACK,
    ),
    "one family of edits": (
        f"{STEPS}/threats/perturbations/latent.py",
        A_LINE,
        ON_FLOW | ON_GAN | IJSAT,
    ),
    "an edit that no training uses": (
        f"{STEPS}/threats/perturbations/nothing.py",
        A_LINE,
        {job for job in ATTACK if "clean" in job},
    ),
    "one recipe": (f"{STEPS}/defenses/recipes/ijsat.py", A_LINE, IJSAT),
    "a GAN": (
        f"{STEPS}/generators/sngan.py",
        A_LINE,
        ON_GAN | {job for job in GANS | SOUGHT if "sngan" in job},
    ),
    "how latents are sought": (
        f"{STEPS}/manifolds/projection.py",
        A_LINE,
        PROJECTED | ON_GAN,
    ),
    "the flow": (f"{STEPS}/generators/glow.py", A_LINE, FLOW | ON_FLOW | IJSAT),
}


def test_a_finished_demo_has_nothing_to_do(house: House) -> None:
    assert house.planned() == set()


@pytest.mark.parametrize("change", EDITS)
def test_an_edit_plans_what_it_touches(house: House, change: str) -> None:
    file, text, touched = EDITS[change]
    house.append(file, text)
    assert house.planned() == shown(touched)


def test_an_edit_of_a_table_s_form_remakes_that_table(house: House) -> None:
    house.append(f"{STEPS}/papers/tables.py", A_LINE)
    assert house.planned() == {"make_table ijsat table1", "make_report"}


def test_a_docstring_plans_nothing(house: House) -> None:
    house.edit(
        f"{STEPS}/threats/attacks/ascent.py", r'^"""The loop', '"""This is the loop'
    )
    assert house.planned() == set()


def test_an_edit_taken_back_plans_nothing(house: House) -> None:
    path = house.root / STEPS / "core/rng.py"
    before = path.read_text()
    house.append(f"{STEPS}/core/rng.py", A_LINE)
    assert house.planned()
    path.write_text(before)
    assert house.planned() == set()


CONFIG = "workflow/config"


def test_the_epochs_of_a_schedule_leave_data_and_flow_alone(house: House) -> None:
    house.configure(DEMO, "overrides.defenses.schedules.ijsat.epochs", 9)
    assert house.planned() == shown(TRAIN | ATTACK | CURVES | SOUGHT)


def test_a_threat_s_setting_plans_its_evaluations(house: House) -> None:
    house.configure(f"{CONFIG}/threats.yaml", "pgd20.steps", 21)
    pgd20 = {job for job in ATTACK | CURVES if "pgd20" in job}
    assert house.planned() == shown(pgd20)


def test_a_training_threat_s_setting_retrains_who_uses_it(house: House) -> None:
    house.configure(f"{CONFIG}/threats.yaml", "pgd10.steps", 11)
    at = {job for job in TRAIN | ATTACK | CURVES if " at" in job}
    assert house.planned() == shown(at)


def test_a_new_defense_plans_itself_alone(house: House) -> None:
    house.configure(
        f"{CONFIG}/defenses.yaml",
        "defenses.at-fgsm",
        {
            "title": "AT with one step",
            "architecture": "resnet18",
            "recipe": {"recipe": "at", "threat": "fgsm"},
            "schedule": "ijsat",
        },
    )
    assert house.planned() == set(), "a defense that no table names costs nothing"
    house.configure(
        f"{CONFIG}/papers/ijsat.yaml", "tables.table1.rows.2.defense", "at-fgsm"
    )
    of_table = ["normal", "at", "at-fgsm", "ijsat"]
    house.configure(DEMO, "pages.ijsat.table1.defenses", of_table)
    new = {job.replace(" at", " at-fgsm") for job in ATTACK if " at " in job}
    # What the paper's numbers say of DMAT is known from Table 6 too, so no claim changes.
    table = {"make_table ijsat table1", "make_report"}
    assert house.planned() == {"train_defense digits at-fgsm"} | new | table


def test_a_second_seed_plans_its_own_runs(house: House) -> None:
    house.configure(DEMO, "seeds", [0, 1])
    planned = house.planned()
    assert {job for job in TRAIN | ATTACK if job in planned} == set()
    assert "train_defense digits at@1" in planned
    assert "gather_verdicts digits ijsat@1 jsa50" in planned


def test_how_many_shards_made_a_result_is_no_reason_to_make_it_again(
    house: House,
) -> None:
    """Nor whether it was made in shards at all."""
    house.configure(DEMO, "shards.threats", {"pgd20": 2})
    assert "Nothing to be done" in house.run("--dry-run").stdout
    house.configure(DEMO, "shards.threats", {"jsa50": 3})
    house.configure(DEMO, "shards.generators.glow", 1)
    assert "Nothing to be done" in house.run("--dry-run").stdout
    house.append(f"{STEPS}/evaluation/attack_defense.py", A_LINE)
    assert "shard=3-of-3" in house.run("--dry-run").stdout


def test_a_finished_demo_has_nothing_to_do_whatever_the_times_say(house: House) -> None:
    shuffle = random.Random(0)
    now = time.time()
    for path in house.root.rglob("*"):
        if path.is_file() and not re.search(r"\.snakemake/(?!metadata)", str(path)):
            moment = now - shuffle.randrange(10**6)
            os.utime(path, (moment, moment))
    assert house.planned() == set()


@pytest.mark.parametrize("target", ["ijsat", "results/demo/papers/ijsat/table1.csv"])
def test_a_paper_and_a_table_are_targets(house: House, target: str) -> None:
    assert house.planned(target) == set()
    forced = house.planned(target, "--forceall") - {"ijsat"}
    assert "make_table ijsat table1" in forced
    assert forced <= shown(ALL) - {"check_claims ijsat", "gather_claims", "make_report"}
