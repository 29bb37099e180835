"""What stands in the config is what the paper prints."""

import pytest
import yaml

from pipeline_steps.config.models import Paper
from pipeline_steps.core.registry import ROOT
from pipeline_steps.papers.spec import Row
from pipeline_steps.papers.tables import ROUNDING

TEXT = (ROOT / "workflow/config/papers/ijsat.yaml").read_text(encoding="utf-8")
PAPER = Paper.model_validate(yaml.safe_load(TEXT))

# The rows whose printed average contradicts their own numbers.
CONTRADICTED = {"MART"}


@pytest.mark.parametrize("row", PAPER.tables["table1"].rows, ids=lambda row: row.name)
def test_a_row_has_the_mean_that_is_printed(row: Row) -> None:
    numbers = [number for number in row.published if number is not None]
    assert len(numbers) == len(PAPER.tables["table1"].columns)
    assert row.published_average is not None
    error = abs(sum(numbers) / len(numbers) - row.published_average)
    assert error <= 0.01
    assert (error > ROUNDING) == (row.name in CONTRADICTED)


def test_either_something_stands_behind_a_part_or_a_reason_why_not() -> None:
    table = PAPER.tables["table1"]
    for column in table.columns:
        assert bool(column.threat) != bool(column.not_run), column.name
    for row in table.rows:
        assert bool(row.defense) != bool(row.not_run), row.name
    for claim in PAPER.claims:
        assert bool(claim.holds) != bool(claim.not_run), claim.name
    names = [claim.name for claim in PAPER.claims]
    assert len(names) == len(set(names))
