"""A family of attacks becomes threats of its own, and what is frozen is one of them."""

import pytest

from pipeline_steps.config.load import load_config
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.jobs.planned import planner
from pipeline_steps.jobs.rules import Rules
from pipeline_steps.jobs.specs import Specs

ELASTIC = "calibrations.calibration-elastic"


def test_a_family_holds_every_pairing_and_the_threat_itself_once() -> None:
    plan = Specs(load_config("paper"))
    candidates = plan.pages.calibration("ijsat", "calibration-elastic").candidates
    assert len(candidates) == 6 * 2 * 2
    assert len({one.threat for one in candidates}) == 24
    own = next(one for one in candidates if one.threat == "elastic-cifar")
    assert (own.epsilon, own.steps, own.targeted) == (0.25, 200, False)
    both = plan.pages.calibration("ijsat", "calibration-jpeg").candidates
    assert len(both) == 2 * 24


def test_a_member_is_a_threat_like_any_other() -> None:
    plan = Specs(load_config("paper"))
    threat = plan.threat("elastic-cifar-level3-50-targeted", "cifar10")
    edit = threat.model_dump()["edit"]
    assert (edit["epsilon"], edit["step_size"]) == (0.5, pytest.approx(0.5 / 50**0.5))
    assert threat.model_dump()["objective"]["objective"] == "targeted"
    assert threat.model_dump()["steps"] == 50
    free = plan.threat("jpeg-cifar-level1-200", "cifar10").model_dump()
    assert free["edit"]["step_size"] == 0  # Frank and Wolfe's
    assert free["objective"] == plan.threat("jpeg-cifar", "cifar10").objective


def test_at_and_normal_are_judged_and_no_other() -> None:
    spec = Specs(load_config("demo")).pages.calibration("ijsat", "calibration-l2")
    assert {run.defense for run in spec.runs} == {"at", "normal"}
    assert {run.dataset for run in spec.runs} == {"digits"}
    assert len(spec.runs) == 2 * 3  # in cheap form: three radii, one length, one aim
    job = planner("demo").job("calibrate", "ijsat", "calibration-l2")
    files = job.inputs["verdicts"].files
    assert files[1] == "results/demo/verdicts/digits/normal/l2-cifar-level1-20.parquet"


def test_the_papers_size_makes_it_and_the_demo_if_it_is_named() -> None:
    for scale, number in (("demo", 0), ("paper", 3)):
        jobs = Rules(scale)
        made = [target for target in jobs.targets("ijsat") if "calibration" in target]
        assert len(made) == number
        assert "calibration-l2" in jobs.papers["ijsat"]
        place = f"results/{scale}/papers/ijsat/calibration-l2.csv"
        assert jobs.target("ijsat", "calibration-l2") == place


@pytest.mark.parametrize(
    ("file", "place", "value", "told"),
    [
        ("papers/ijsat", f"{ELASTIC}.frozen", "elastic", "'elastic' is frozen, and no"),
        ("papers/ijsat", f"{ELASTIC}.families.0", "elastic-cifr", "'elastic-cifar'?"),
        ("papers/ijsat", f"{ELASTIC}.targets", {"att": 45}, "no defense 'att'; did"),
        ("papers/ijsat", f"{ELASTIC}.targets.at", 145, "145 is not a percentage"),
        ("papers/ijsat", f"{ELASTIC}.dataset", "cifar", "there is no dataset 'cifar'"),
        ("papers/ijsat", f"{ELASTIC}.frozn", 1, "did you mean 'frozen'?"),
        (
            "papers/ijsat",
            "tables.table1.columns.4.threat",
            "elastic",
            "column 'Elastic': it is marked as calibrated, and no calibration has",
        ),
        (
            "threats",
            "pgd20.family",
            {"epsilon": [1], "steps": [0]},
            "pgd20.family.steps.0: input should be greater than 0, not 0",
        ),
        (
            "threats",
            "jsa50.family",
            {"epsilon": [1], "steps": [5]},
            "jsa50.family: its edit has no epsilon and step_size to be varied",
        ),
    ],
    ids=range(9),
)
def test_what_does_not_fit_is_one_sentence(config_root, edit, file, place, value, told):
    edit(file, place, value)
    with pytest.raises(PipelineError) as caught:
        load_config("paper", config_root)
    assert str(caught.value).startswith(f"workflow/config/{file}.yaml"), caught.value
    assert told in str(caught.value)
