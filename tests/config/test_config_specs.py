"""A spec holds only what its job uses, so an edit touches exactly the jobs it concerns."""

import pytest

from pipeline_steps.config.load import load_config
from pipeline_steps.core.digest import code
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.generators.spec import FlowTraining
from pipeline_steps.jobs.specs import Specs

DATASETS = ("digits", "cifar10")
# Few of each, so that it is known of each of them what it uses.
GENERATORS = ("glow", "sngan")
DEFENSES = ("normal", "at", "ijsat")
THREATS = ("clean", "pgd10", "pgd20", "jsa10", "jsa50", "om-pgd", "fog", "rays10k")
TRANSFERRED = "pgd20-from-normal"


def all_specs(root, scale="demo"):
    """The specs of jobs that could be asked for, by names that tell their kinds."""
    config = load_config(scale, root)
    plan = Specs(config)
    specs = {}
    for dataset in DATASETS:
        specs[f"fetched {dataset}"] = plan.fetched(dataset)
        specs[f"source {dataset}"] = plan.source(dataset)
        for generator in GENERATORS:
            flow = isinstance(config.generators[generator].training, FlowTraining)
            kind = "flow" if flow else "gan"
            trained = (plan.flow if flow else plan.gan)(dataset, generator)
            specs[f"{kind} {dataset} {generator}"] = trained
            kind = f"manifold {dataset} {generator}"
            specs[kind] = plan.manifold(dataset, generator, "test")
        for defense in DEFENSES:
            specs[f"defense {dataset} {defense}"] = plan.defense(dataset, defense)
            for threat in (*THREATS, TRANSFERRED):
                name = f"{dataset} {defense} {threat}"
                specs[f"attack {name}"] = plan.attack(dataset, defense, threat)
                specs[f"curve {name}"] = plan.curve(dataset, defense, threat)
    for paper, content in config.papers.items():
        specs |= {
            f"table {paper} {t}": plan.pages.table(paper, t) for t in content.tables
        }
        specs |= {
            f"figure {paper} {f}": plan.pages.figure(paper, f) for f in content.figures
        }
    return {name: spec.model_dump(mode="json") for name, spec in specs.items()}


def among(kinds=(), *ends):
    """Whether a job is of one of these kinds, and bears one of these words."""
    return lambda job: (
        job.split()[0] in kinds
        and (not ends or any(end in job.split()[1:] for end in ends))
    )


def has_runs(job):
    """Whether a table's job has any verdicts to show."""
    kind, *names = job.split()
    return kind == "table" and bool(Specs(load_config("demo")).pages.table(*names).runs)


JUDGED = ("attack", "curve")
EDITS = {
    "pgd20's steps": (
        ("threats", "pgd20.steps", 21),
        lambda job: among(JUDGED)(job) and job.split()[-1].startswith("pgd20"),
    ),
    "jsa10's steps, with which only IJSAT trains": (
        ("threats", "jsa10.steps", 11),
        lambda job: among(JUDGED, "jsa10")(job) or among(["defense"], "ijsat")(job),
    ),
    "pgd10's steps, with which only AT trains": (
        ("threats", "pgd10.steps", 11),
        lambda job: among(JUDGED, "pgd10")(job) or among(["defense"], "at")(job),
    ),
    "the batch of the evaluation": (
        ("scales/demo", "evaluation.batch", 90),
        lambda job: among(JUDGED)(job) or among(["manifold"], "glow")(job),
    ),
    "the images of the evaluation": (
        ("scales/demo", "evaluation.images", 90),
        lambda job: among(JUDGED)(job) and not job.split()[-1].startswith("ia"),
    ),
    "the precision of the evaluation": (
        ("scales/demo", "evaluation.precision", "bfloat16"),
        among(JUDGED),
    ),
    "the precision of all": (
        ("scales/demo", "precision", "tf32"),
        among((*JUDGED, "defense")),
    ),
    "the precision of the evaluation, as it is": (
        ("scales/demo", "evaluation.precision", "float32"),
        among(),
    ),
    "the kernels of all": (
        ("scales/demo", "deterministic", False),
        among((*JUDGED, "defense")),
    ),
    "whether attacked networks are compiled": (
        ("scales/demo", "evaluation.compiled", "graphs"),
        among(JUDGED),
    ),
    "how many queries an attack may ask": (
        ("threats", "rays10k.attack.queries", 9000),
        among(JUDGED, "rays10k", "rays10k-adaptive"),
    ),
    "how a GAN's images are taken, of which its training knows nothing": (
        ("generators", "sngan.decoded", "raw"),
        among(["manifold"], "sngan"),
    ),
    "how many examples are kept": (
        ("scales/demo", "evaluation.kept", 9),
        among(["attack"]),
    ),
    "the seed": (
        ("scales/demo", "seeds", [1]),
        lambda job: among((*JUDGED, "defense", "flow", "gan"))(job) or has_runs(job),
    ),
    "what a job may use of a machine": (
        ("scales/demo", "resources.train_defense", {"minutes": 5}),
        among(),
    ),
    "the schedule": (("defenses", "schedules.ijsat.momentum", 0.8), among(["defense"])),
    "a setting of one recipe": (
        ("defenses", "defenses.ijsat.recipe.tau", 0.2),
        among(["defense"], "ijsat"),
    ),
    "the snapshots of one defense": (
        ("scales/demo", "overrides.defenses.defenses.normal.snapshots", 2),
        among(["defense"], "normal"),
    ),
    "the title of a threat": (("threats", "pgd20.title", "other"), among()),
    "the title of a defense": (("defenses", "defenses.at.title", "other"), among()),
    "the flow's training, which its users see in its card": (
        ("generators", "glow.training.gradient_limit", 10.0),
        among(["flow"], "glow"),
    ),
    "the digits' augmentation": (
        ("datasets", "digits.augmentation.pad", 2),
        lambda job: job.startswith("defense digits"),
    ),
    "the digits' split": (
        ("datasets", "digits.cut.share", 0.4),
        lambda job: job == "source digits",
    ),
    "a place where CIFAR-10 lies": (
        ("datasets", "cifar10.places", ["/group/sets", "s3://sets"]),
        among(),
    ),
    "a checksum of CIFAR-10": (
        ("datasets", "cifar10.source.files.0.digest", f"md5:{'0' * 32}"),
        among(["fetched", "source"], "cifar10"),
    ),
    "the digits' latent budget": (
        ("datasets", "digits.budgets.latent", 0.2),
        lambda job: (
            "digits" in job
            and (
                (
                    among(JUDGED)(job)
                    and job.split()[-1].startswith(("om-", "jsa", "ia"))
                )
                or among(["defense"], "ijsat")(job)
            )
        ),
    ),
    "a published number": (
        ("papers/ijsat", "tables.table1.rows.0.published.0", 95.0),
        lambda job: job == "table ijsat table1",
    ),
}


@pytest.mark.parametrize("what", EDITS)
def test_an_edit_touches_the_jobs_that_use_it_and_no_others(config_root, edit, what):
    wanted, touched = EDITS[what]
    before = all_specs(config_root)
    edit(*wanted)
    load_config.cache_clear()
    after = all_specs(config_root)
    assert before.keys() == after.keys()
    changed = {job for job in before if before[job] != after[job]}
    assert changed == {job for job in before if touched(job)}


def edits_of(spec):
    """Every perturbation of a threat's spec, the parts of a joint one by themselves."""
    edit = spec.model_dump()["edit"]
    return edit.get("parts", [edit])


@pytest.fixture
def paper():
    return Specs(load_config("paper"))


def test_budgets_are_the_papers_in_0_to_1(paper):
    (pixel,) = edits_of(paper.attack("cifar10", "at", "pgd10").threat)
    assert pixel["epsilon"] == pytest.approx(8 / 255, rel=1e-8)
    assert pixel["step_size"] == pytest.approx(2 / 255, rel=1e-8)
    latent, pixel = edits_of(paper.attack("cifar10", "at", "jsa50").threat)
    assert (latent["epsilon"], latent["step_size"]) == (0.02, 0.005)
    assert pixel["epsilon"] == pytest.approx(8 / 255, rel=1e-8)
    assert pixel["boxed"] is False
    (fgsm,) = edits_of(paper.attack("cifar10", "at", "fgsm").threat)
    assert fgsm["step_size"] == fgsm["epsilon"]
    assert fgsm["start_at"] == "zero"


def test_the_same_threat_takes_another_data_set_s_budget():
    (pixel,) = edits_of(
        Specs(load_config("demo")).attack("digits", "at", "pgd10").threat
    )
    assert (pixel["epsilon"], pixel["step_size"]) == (0.1, 0.025)


def test_a_defense_learns_with_the_threat_of_its_recipe(paper):
    recipe = paper.defense("cifar10", "ijsat").recipe
    assert (
        recipe["threat"] == paper.attack("cifar10", "at", "jsa10").threat.model_dump()
    )
    assert (recipe["tau"], recipe["classes"]) == (0.1, 10)
    generator = recipe["threat"]["edit"]["parts"][0]["generator"]
    assert generator == paper.flow("cifar10", "glow").model


def test_ijsat_trains_as_its_section_6_1_says(paper):
    schedule = paper.defense("cifar10", "ijsat").schedule
    assert (schedule.epochs, schedule.batch, schedule.learning_rate) == (120, 128, 0.1)
    assert (schedule.momentum, schedule.weight_decay) == (0.9, 2e-4)
    assert (schedule.drops, schedule.factor) == ([74, 89, 99], 0.1)


def test_a_stand_in_takes_the_place_of_a_paper_s_data_set_and_says_so():
    table = Specs(load_config("demo")).pages.table("ijsat", "table1")
    assert (table.dataset, table.stand_ins) == ("cifar10", {"cifar10": "digits"})
    assert {run.dataset for run in table.runs} == {"digits"}
    assert table.scale == "demo"
    assert "toy" in table.scale_title


def test_a_network_stands_in_by_its_word_and_fits_the_data_set():
    demo, paper = (Specs(load_config(scale)) for scale in ("demo", "paper"))
    for plan, word, width in ((demo, "small_cnn", 32), (paper, "resnet18", 64)):
        network = plan.defense("cifar10", "at").architecture
        assert network == {
            "architecture": word,
            "width": width,
            "classes": 10,
            "channels": 3,
        }
        assert network == plan.attack("cifar10", "at", "clean").architecture


def test_a_seed_of_its_own_stands_behind_the_defense_s_name(paper):
    first, other = (paper.defense("cifar10", name) for name in ("at", "at@3"))
    assert (first.seed, other.seed) == (0, 3)
    assert first.model_copy(update={"seed": 3}) == other


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda plan: plan.attack("cifar10", "at", "pdg20"), "did you mean 'pgd20'"),
        (lambda plan: plan.attack("cifar", "at", "pgd20"), "did you mean 'cifar10'"),
        (lambda plan: plan.attack("cifar10", "att", "pgd20"), "did you mean 'at'"),
        (lambda plan: plan.flow("cifar10", "glov"), "did you mean 'glow'"),
    ],
)
def test_a_job_that_no_config_names_is_refused(paper, ask, told):
    with pytest.raises(PipelineError, match=told):
        ask(paper)


def test_a_figure_may_show_a_generator_of_any_name(config_root, edit):
    edit("papers/ijsat", "figures.figure-glow.panels.0.manifold", "glow-wide")
    path = config_root / "workflow/config/generators.yaml"
    path.write_text(
        path.read_text().replace("glow:", "glow: &glow") + "glow-wide: *glow\n"
    )
    figure = Specs(load_config("paper", config_root)).pages.figure(
        "ijsat", "figure-glow"
    )
    assert code("papers.make_figure", figure.model_dump(mode="json")).digest
