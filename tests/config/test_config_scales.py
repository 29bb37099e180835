"""Every scale loads, and the three differ in size alone: their jobs have one shape."""

import re

import pytest

from pipeline_steps.config.load import load_config, scales, trial_scales
from pipeline_steps.core.registry import ROOT
from pipeline_steps.generators.spec import generators_in
from pipeline_steps.jobs.names import corruption, origin
from pipeline_steps.jobs.planned import SPEC_OF, planner
from pipeline_steps.jobs.rules import Rules
from pipeline_steps.jobs.specs import Specs
from pipeline_steps.layout import RULES, TABLE
from pipeline_steps.papers.spec import FROM


def shape(scale):
    """Which jobs stand behind which, the data sets' names and the seeds left out."""
    config = load_config(scale)
    plan = Specs(config)
    behind = {}
    for paper, content in config.papers.items():
        for table in content.tables:
            runs = plan.pages.table(paper, table).runs
            behind[paper, table] = {judged(run) for run in runs}
            behind |= {("run", *judged(r)): uses(plan, r) for r in runs}
        for figure in content.figures:
            panels = plan.pages.figure(paper, figure).panels
            behind[paper, figure] = {panel.model_dump_json() for panel in panels}
    for paper in plan.claims.papers:
        claims = plan.claims.of(paper)
        named = {judged(run) for run in (*claims.runs, *claims.curves)}
        manifolds = {name.rpartition("/")[2] for name in claims.manifolds}
        behind[paper, "claims"] = named | manifolds
    return behind


def judged(run):
    """A run without its data sets' names, but for what was done to the images."""
    _, label = origin(run.dataset, run.defense)
    return label, FROM in run.defense, corruption(run.dataset), run.threat


def uses(plan, run):
    """The generators that a run's training and its attack need.

    Snapshots are asked of it where a scale makes a curve: else the config is refused.
    """
    defense = plan.defense(*origin(run.dataset, run.defense))
    attack = plan.attack(run.dataset, run.defense, run.threat)

    def generators(spec):
        """A data set's GAN is the one that is named for it: StyleGAN here, SNGAN there."""
        named = generators_in(spec.model_dump())
        return {"gan" if plan.entries.is_approximate(name) else name for name in named}

    return generators(defense), generators(attack)


def test_the_scales_are_those_that_the_project_speaks_of():
    assert scales() == ["cores", "demo", "paper", "preflight", "rehearsal", "small"]


@pytest.mark.parametrize("scale", scales())
def test_every_scale_has_the_same_jobs_or_leaves_some_out(scale):
    own, whole = shape(scale), shape("paper")
    parts = load_config(scale).scale.pages
    left_out = {
        (p, page) for p in parts for page, part in parts[p].items() if dict(part)
    }
    if parts:
        left_out |= {what for what in own if what[1] == "claims"}
    for what, jobs in own.items():
        if what in left_out:
            assert jobs <= whole[what]
        else:
            assert jobs == whole[what]


@pytest.mark.parametrize("scale", scales())
def test_every_scale_has_the_same_targets_or_fewer_by_default(scale):
    own, whole = Rules(scale), Rules("paper")
    assert own.papers == whole.papers
    assert set(bare(own.targets(), scale)) <= set(bare(whole.targets(), "paper"))
    for paper, pages in own.papers.items():
        if paper not in load_config(scale).scale.pages:
            targets = [whole.target(paper, page) for page in pages]
            assert bare(own.targets(paper), scale) == bare(targets, "paper")


def bare(paths, scale):
    return [path.replace(f"/{scale}/", "/") for path in paths]


def test_a_figure_leaves_out_the_panels_that_a_scale_does_not_ask_for():
    """Level 4 of the flow, which the digits' has not, and one budget of three."""
    figures = [Specs(load_config(scale)) for scale in ("paper", "demo")]
    whole, own = (
        plan.pages.figure("ijsat", "figure8-cifar10").panels for plan in figures
    )
    asked = load_config("demo").scale.pages["ijsat"]["figure8-cifar10"].threats
    assert len(whole) == 12 and [panel.threat for panel in own] == asked
    assert own == [panel for panel in whole if panel.threat in asked]


def test_the_papers_size_makes_every_table_figure_and_calibration():
    jobs = Rules("paper")
    pages = [jobs.target(p, page) for p, some in jobs.papers.items() for page in some]
    assert jobs.targets() == pages


@pytest.mark.parametrize("result", TABLE, ids=lambda result: result.rule)
def test_every_step_of_the_rules_is_a_module(result):
    assert (ROOT / "pipeline_steps" / f"{result.step.replace('.', '/')}.py").is_file()
    assert result.rule in SPEC_OF


@pytest.mark.parametrize("scale", scales())
def test_what_a_job_may_use_falls_back_on_the_default(scale):
    jobs = Rules(scale)
    table = load_config(scale).scale.resources
    for rule, result in RULES.items():
        step = "default" if result.gathers else result.step.partition(".")[2]
        granted = table.get(step, table["default"])
        resources = jobs[rule].resources
        assert jobs[rule].threads == granted.threads
        for attempt in (1, 3):
            memory = resources["mem_mb"](None, attempt=attempt)
            assert memory == attempt * granted.memory_mb
            assert (
                resources["runtime"](None, attempt=attempt) == attempt * granted.minutes
            )


@pytest.mark.parametrize("scale", scales())
def test_work_is_one_job_or_cut_into_shards(scale):
    """Each threat and each generator has one way to its result."""
    jobs, shards = Rules(scale), load_config(scale).scale.shards
    for rule, kind, cut in (
        ("attack", "threat", shards.threats),
        ("project", "generator", shards.generators),
    ):
        gathering = {"attack": "gather_verdicts", "project": "gather_manifold"}[rule]
        ways = [f"{rule}_{'defense' if rule == 'attack' else 'dataset'}", gathering]
        whole, gathered = (jobs[way].constraints[kind] for way in ways)
        for name in getattr(load_config(scale), f"{kind}s"):
            assert bool(re.fullmatch(gathered, name)) == (cut.get(name, 1) > 1)
            assert bool(re.fullmatch(whole, name)) == (cut.get(name, 1) == 1)


def test_wildcards_fit_known_names_and_nothing_else():
    patterns = Rules("demo").constraints
    fits = {"defense": ["at", "at@3"], "threat": ["om-pgd"], "dataset": ["cifar10"]}
    misfits = {"defense": ["at@", "a", "at/x"], "threat": ["om.pgd"]}
    for kind, names in fits.items():
        assert all(re.fullmatch(patterns[kind], name) for name in names)
    for kind, names in misfits.items():
        assert not any(re.fullmatch(patterns[kind], name) for name in names)


def test_the_runs_behind_a_table_are_its_inputs_in_order():
    runs = Specs(load_config("demo")).pages.table("ijsat", "table1").runs
    expected = [
        f"results/demo/verdicts/{r.dataset}/{r.defense}/{r.threat}" for r in runs
    ]
    verdicts = planner("demo").job("make_table", "ijsat", "table1").inputs["verdicts"]
    assert verdicts.files == [f"{path}.parquet" for path in expected]
    cards = [
        path.replace("/cards", "").removesuffix(".json") for path in verdicts.cards
    ]
    assert cards == expected


def test_preflight_is_the_papers_size_cut_short():
    """It differs in how much is done, in minutes, and in nothing that takes memory."""
    paper, preflight = (load_config(name).scale for name in ("paper", "preflight"))
    for step, wanted in paper.resources.items():
        granted = preflight.resources[step]
        assert granted.minutes == min(wanted.minutes, 60)
        assert granted.model_copy(update={"minutes": wanted.minutes}) == wanted
    assert paper.resources.keys() == preflight.resources.keys()
    assert not preflight.pages
    for same in ("seeds", "stand_ins", "overrides", "rate"):
        assert getattr(preflight, same) == getattr(paper, same)
    assert preflight.evaluation.images == preflight.evaluation.batch
    every = {"images": None}
    assert preflight.evaluation.model_copy(update=every) == paper.evaluation


@pytest.mark.parametrize(
    ("step", "names", "limits"),
    [
        ("train_defense", ("cifar10", "at"), {"steps": 2}),
        ("train_flow", ("cifar10", "glow"), {"steps": 2}),
        ("train_gan", ("mixed10", "stylegan"), {"steps": 2}),
        ("project_dataset", ("mixed10", "stylegan", "train"), {"images": 32}),
        ("project_dataset", ("cifar10", "glow", "test"), {"images": 500}),
        ("attack_defense", ("cifar10", "at", "pgd20"), {"images": 500}),
    ],
)
def test_a_limit_stands_in_a_trial_s_spec_and_in_no_other(step, names, limits):
    """So a spec without one is what it was before there were limits."""
    whole, trial = (
        planner(scale).job(step, *names).spec for scale in ("paper", "preflight")
    )
    # An evaluation always says of how many images it is.
    absent = {"images": None} if step == "attack_defense" else {}
    assert {key: whole[key] for key in limits.keys() & whole.keys()} == absent
    assert trial == {**whole, **limits}


def test_a_scale_that_cuts_trainings_short_is_a_trial():
    assert trial_scales() == ["preflight"]
    assert load_config("paper").is_papers_size
    assert not load_config("preflight").is_papers_size
