"""DMAT's tables and claims name the attacks that its released scripts run."""

import pytest

from pipeline_steps.config.load import load_config
from pipeline_steps.jobs.specs import Specs

UNSEEN = {"fog", "snow", "elastic", "gabor", "jpeg", "l2", "l1-fw"}


@pytest.fixture(scope="module")
def plan() -> Specs:
    return Specs(load_config("paper"))


@pytest.mark.parametrize("table", ["table2", "table4"])
def test_the_l1_column_is_frank_and_wolfe_s(plan: Specs, table: str) -> None:
    """`run_evaluate_fw*.sh` run `fw.yml` on the models of table 2, and on no others."""
    columns = {
        column.name: column for column in plan.pages.table("dmat", table).columns
    }
    threat = plan.threat(str(columns["L1"].threat), "om-imagenet").model_dump()
    assert threat["edit"]["frank_wolfe"]
    assert threat["steps"] == 200
    # A mean of so much over all values, from 0 to 255.
    mean = 255 * threat["edit"]["epsilon"] / (3 * 256**2)
    assert mean == pytest.approx(0.508211, abs=1e-5)


def test_a_claim_about_unseen_attacks_takes_those_of_table_2(plan: Specs) -> None:
    claims = {claim.name: claim for claim in plan.claims.of("dmat").claims}
    claim = claims["dmat-best-under-unseen-attacks"]
    assert {under for part in claim.holds for under in part.under} == UNSEEN
    columns = plan.pages.table("dmat", "table2").columns
    assert {column.threat for column in columns} == UNSEEN
    assert plan.claims.of("dmat").printed[claim.name]
