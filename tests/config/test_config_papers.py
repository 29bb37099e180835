"""What is wrong in a paper's file is told with its line."""

import pytest

from pipeline_steps.config.checks import FOLDER
from pipeline_steps.config.load import load_config
from pipeline_steps.core.errors import PipelineError

FILE = "papers/fifth.yaml"
PAPER = """\
title: A fifth paper
authors: A. N. Other
tables:
  table1:
    title: "Table 1: robustness"
    dataset: cifar10
    columns:
      - {name: Clean, threat: clean}
      - {name: Worst, worst_of: [pgd20, mia]}
    rows:
      - name: AT
        defense: at
        published: [84.1, 50.2]
      - {name: Other, not_run: quoted, published: [80, null]}
      - {name: Difference, difference: [AT, Other], published: [4.1, null]}
"""


@pytest.fixture
def write(config_root):
    def write(text):
        (config_root / FOLDER / FILE).write_text(text)
        return config_root

    return write


def test_the_file_itself_is_right(write):
    table = load_config("paper", write(PAPER)).papers["fifth"].tables["table1"]
    assert [column.threats for column in table.columns] == [["clean"], ["pgd20", "mia"]]


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("[84.1, 50.2]", "[84.1]", 11, "row 'AT': 1 published numbers for 2 columns"),
        ("defense: at", "defense: atr", 11, "row 'AT': there is no defense 'atr'; did"),
        ("threat: clean", "threat: clan", 8, "no threat 'clan'; did you mean 'clean'"),
        ("[pgd20, mia]", "[pgd20, mai]", 9, "no threat 'mai'; did you mean 'mia'?"),
        ("cifar10", "cifar11", 4, "there is no dataset 'cifar11'; did you mean"),
        ("name: Other", "name: AT", 14, "row 'AT': it stands twice"),
        ("name: Worst", "name: Clean", 9, "column 'Clean': it stands twice"),
        ("84.1", "184.1", 11, "row 'AT': 184.1 is no percentage"),
        ("84.1", "-84.1", 11, "row 'AT': -84.1 is no percentage"),
        ("[4.1,", "[-140,", 15, "row 'Difference': -140 is no percentage"),
        ("[AT, Other]", "[AT, Otter]", 15, "no row 'Otter'; did you mean 'Other'?"),
        ("[AT, Other]", "[AT]", 15, "a difference is one of two rows"),
        ("[AT, Other]", "[AT, Other, AT]", 15, "rows.2.difference: list should have"),
        ("not_run: quoted", "defens: at", 14, "rows.1.defens: … 'defense'?"),
        ("84.1", "high", 13, "rows.0.published.0: input should be a valid number"),
        ("not_run: quoted, ", "", 14, "row 'Other': say either what stands behind"),
        (", worst_of: [pgd20, mia]", "", 9, "column 'Worst': say either what stands"),
    ],
    ids=range(17),
)
def test_it_is_one_sentence_with_its_line(write, old, new, line, told):
    assert old in PAPER
    with pytest.raises(PipelineError) as caught:
        load_config("paper", write(PAPER.replace(old, new, 1)))
    said = str(caught.value)
    assert said.startswith(f"{FOLDER}/{FILE}: line {line}, tables.table1"), said
    for part in told.split("…"):
        assert part.strip() in said
