"""The papers' claims: how many, in whose words, and what a scale leaves out of them."""

import re
from collections.abc import Iterable

import pytest

from pipeline_steps.config.load import load_config
from pipeline_steps.config.scales import StandIns
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.registry import ROOT
from pipeline_steps.jobs.names import base
from pipeline_steps.jobs.planned import planner
from pipeline_steps.jobs.specs import Specs
from pipeline_steps.papers.spec import Run

TEXTS = ROOT.parent / "shared" / "papers"
LEAST = {"ijsat": 12, "dmat": 6, "atld": 6, "jat": 6}
SO_MANY_WORDS = 8

# What the papers' own tables contradict.
NOT_BORNE_OUT = {
    "ijsat": {"jsa-helps-other-methods", "jsa-improves-accuracy"},
    "jat": {
        "joint-best-by-several-steps",
        "order-matters-little",
        "no-attack-gains-accuracy",
    },
}


@pytest.fixture(scope="module")
def paper() -> Specs:
    return Specs(load_config("paper"))


@pytest.mark.parametrize("name", LEAST)
def test_each_paper_has_its_claims(paper: Specs, name: str) -> None:
    claims = paper.claims.of(name).claims
    decidable = [claim for claim in claims if claim.holds and not claim.ours]
    assert len(decidable) >= LEAST[name]
    assert {claim.name for claim in claims if claim.ours}
    assert all(claim.holds or len(str(claim.not_run)) > 20 for claim in claims)


@pytest.mark.parametrize("name", LEAST)
def test_the_papers_own_tables_bear_out_all_but_those_that_are_known(
    paper: Specs, name: str
) -> None:
    told = paper.claims.of(name).printed
    assert {claim for claim, holds in told.items() if not holds} == NOT_BORNE_OUT.get(
        name, set()
    )
    assert sum(told.values()) > len(told) / 2


@pytest.mark.parametrize("name", LEAST)
def test_claims_are_told_in_our_words(paper: Specs, name: str) -> None:
    if not TEXTS.is_dir():
        pytest.skip("the papers' texts do not lie beside this checkout")
    text = _words((TEXTS / f"{name}.txt").read_text())
    theirs = {tuple(text[i : i + SO_MANY_WORDS]) for i in range(len(text))}
    for claim in paper.claims.of(name).claims:
        ours = _words(claim.says)
        runs = {tuple(ours[i : i + SO_MANY_WORDS]) for i in range(len(ours) - 7)}
        assert not runs & theirs, claim.name


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def test_the_papers_size_decides_all_that_can_be_decided(paper: Specs) -> None:
    whole = {p: load_config("paper").papers[p].claims for p in paper.claims.papers}
    assert {p: paper.claims.of(p).claims for p in paper.claims.papers} == whole
    for spec in map(paper.claims.of, paper.claims.papers):
        assert spec.papers_size
        for run in (*spec.runs, *spec.curves):
            assert paper.attack(run.dataset, run.defense, run.threat).threat


def test_only_the_papers_size_is_the_papers_size() -> None:
    config = load_config("paper")
    assert config.is_papers_size
    assert not load_config("small").is_papers_size
    scale = config.scale
    for smaller in (
        {"stand_ins": StandIns(datasets={"cifar100": "cifar10"})},
        {"training": scale.training.model_copy(update={"images": 5000})},
        {"evaluation": scale.evaluation.model_copy(update={"images": 1000})},
    ):
        changed = config.model_copy(update={"scale": scale.model_copy(update=smaller)})
        assert not changed.is_papers_size


def test_what_claims_rest_on_is_trained_three_times(paper: Specs) -> None:
    def seeds(runs: Iterable[Run]) -> dict[tuple[str, str], set[int]]:
        found: dict[tuple[str, str], set[int]] = {}
        for run in runs:
            found.setdefault((base(run.dataset), run.defense), set()).add(run.seed)
        return found

    specs = [*map(paper.claims.of, paper.claims.papers)]
    claimed = seeds(run for spec in specs for run in (*spec.runs, *spec.curves))
    assert {*map(len, claimed.values())} == {3}
    for name, content in paper.config.papers.items():
        for table in content.tables:
            # A row is repeated as a whole, so that it has an average.
            for row, several in seeds(paper.pages.table(name, table).runs).items():
                assert len(several) == (3 if row in claimed else 1), row
    fit = paper.pages.calibration("ijsat", "calibration-elastic")
    assert {run.seed for run in fit.runs} == {0}


def test_a_row_without_a_claim_is_trained_once(config_root, edit) -> None:
    for paper in LEAST:
        edit(f"papers/{paper}", "claims", [])
    runs = Specs(load_config("paper", config_root)).pages.table("ijsat", "table1").runs
    assert {run.seed for run in runs} == {0}


def test_one_key_lowers_the_trainings_again(config_root, edit) -> None:
    edit("scales/paper", "claim_seeds", [0])
    plan = Specs(load_config("paper", config_root))
    specs = [*map(plan.claims.of, plan.claims.papers)]
    assert {run.seed for spec in specs for run in spec.runs} == {0}
    assert {run.seed for run in plan.pages.table("ijsat", "table1").runs} == {0}
    edit("scales/paper", "claim_seeds", [1, 2])
    load_config.cache_clear()
    with pytest.raises(PipelineError, match="claim_seeds: the first is 0"):
        load_config("paper", config_root)


@pytest.mark.parametrize("scale", ["demo", "cores", "small"])
def test_other_scales_train_once(scale: str) -> None:
    plan = Specs(load_config(scale))
    assert {r.seed for p in plan.claims.papers for r in plan.claims.of(p).runs} <= {0}


def test_no_attack_is_crafted_on_the_very_network_that_it_meets(paper: Specs) -> None:
    """`jat@1` stands for another training of JAT's, and is now one of the judged."""

    def crafted_on(defense: str, threat: str = "pgd20-from-jat") -> str:
        return paper.attack("cifar10", defense, threat).threat.crafted_on["defense"]

    assert [crafted_on(d) for d in ("jat", "jat@1", "jat@2")] == [
        "jat@1",
        "jat",
        "jat@1",
    ]
    assert crafted_on("at@1", "pgd20-from-at") == "at"
    alone = paper.attack("cifar10", "jat@1", "pgd20-from-jat").threat.model_dump()
    usual = paper.attack("cifar10", "jat", "pgd20-from-jat").threat.model_dump()
    alone["crafted_on"]["defense"] = "jat@1"
    assert alone == usual


def test_a_scale_decides_what_its_own_pages_decide() -> None:
    """No job is planned for a claim alone where a scale makes a part of the pages."""
    plan = Specs(load_config("demo"))
    made = set(plan.pages.table("ijsat", "table1").runs)
    spec = plan.claims.of("ijsat")
    assert set(spec.runs) <= made
    assert spec.runs
    assert spec.curves
    told = {claim.name: claim for claim in spec.claims}
    assert told["at-resists-pgd"].holds
    left_out = told["ijsat-second-under-autoattack"]
    assert not left_out.holds
    assert left_out.not_run == (
        "left out at scale demo: trades under autoattack, ijsat under autoattack, "
        "normal under autoattack, 4 more"
    )
    assert str(told["ijsat-best-on-corrupted-images"].not_run) == (
        "left out at scale demo: ijsat-1 under clean on digits.gaussian_noise, ijsat-1 "
        "under clean on digits.shot_noise, ijsat-1 under clean on digits.impulse_noise, "
        "102 more"
    )
    elsewhere = {claim.name: claim.not_run for claim in plan.claims.of("dmat").claims}
    assert str(elsewhere["gains-carry-over-to-natural-images"]).startswith(
        "left out at scale demo: dmat-om.from-om-digits under pgd50, "
    )


def test_the_claims_of_a_paper_have_a_card_for_each_verdict() -> None:
    verdicts = planner("paper").job("check_claims", "ijsat").inputs["verdicts"]
    swapped = [
        path.replace("/verdicts/", "/cards/verdicts/") for path in verdicts.files
    ]
    assert [path.replace(".parquet", ".json") for path in swapped] == verdicts.cards
