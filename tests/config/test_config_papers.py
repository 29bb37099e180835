"""What is wrong in a paper's file is told with its line."""

import pytest

from pipeline_steps.config.load import load_config
from pipeline_steps.config.yaml_files import FOLDER
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
figures:
  figure1:
    title: "Figure 1: samples"
    dataset: cifar10
    figure: {figure: attacked_images, images: 8}
    panels:
      - {label: Normal, what: examples, defense: normal, threat: pgd20}
  figure2:
    title: "Figure 2: while training"
    dataset: cifar10
    figure: training_curves
    panels:
      - {label: AT, what: curve, defense: at, threat: mia}
claims:
  - name: resists
    place: Table 1
    says: AT resists more than normal training, and does not overfit.
    dataset: cifar10
    holds:
      - {left: {defense: at}, relation: ">", right: {defense: trades}, under: [fgsm]}
      - left: {defense: at, threat: pgd20, epoch: last, less: {epoch: best}}
        relation: ">"
        right: {number: -1}
      - left: {each_of: [iat, mart], mean_of: [clean, pgd40], less: {defense: dmat}}
        relation: within
        right: {number: 5}
  - {name: later, place: Table 2, says: and more, dataset: cifar10, not_run: no code}
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
        ("name: Other", "name: AT", 14, "row 'AT': it is given twice"),
        ("name: Worst", "name: Clean", 9, "column 'Clean': it is given twice"),
        ("84.1", "184.1", 11, "row 'AT': 184.1 is not a percentage"),
        ("84.1", "-84.1", 11, "row 'AT': -84.1 is not a percentage"),
        ("[4.1,", "[-140,", 15, "row 'Difference': -140 is not a percentage"),
        ("[AT, Other]", "[AT, Otter]", 15, "no row 'Otter'; did you mean 'Other'?"),
        ("[AT, Other]", "[AT]", 15, "a difference is one of two rows"),
        ("[AT, Other]", "[AT, Other, AT]", 15, "rows.2.difference: list should have"),
        ("not_run: quoted", "defens: at", 14, "rows.1.defens: … 'defense'?"),
        ("84.1", "high", 13, "rows.0.published.0: input should be a valid number"),
        ("not_run: quoted, ", "", 14, "row 'Other': say either what is measured"),
        (", worst_of: [pgd20, mia]", "", 9, "column 'Worst': say either what is"),
        (
            "50.2]",
            "50.2]\n        lost: [Wurst]",
            11,
            "no column 'Wurst'; did you mean",
        ),
    ],
    ids=range(18),
)
def test_it_is_one_sentence_with_its_line(write, old, new, line, told):
    says_so(write, old, new, f"line {line}, tables.table1", told)


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("attacked_images,", "attacked_image,", 20, "no figure 'attacked_image'; did"),
        ("images: 8", "image: 8", 20, "unknown key 'image'; did you mean 'images'?"),
        ("defense: normal,", "defense: norml,", 22, "no defense 'norml'; did you mean"),
        ("normal, threat: pgd20", "normal, threat: pgd2", 22, "no threat 'pgd2'; did"),
        ("normal, threat: pgd20", "normal", 22, "shows a examples names its threat"),
        ("what: examples", "what: example", 22, "'examples', 'cam', 'verdicts'"),
        ("what: examples", "what: curve", 22, "shows 'examples', and this is 'curve'"),
        ("curve, defense: at", "curve, defense: iat", 28, "keeps no weights on the"),
        ("what: curve, ", "what: examples, ", 28, "'training_curves' shows 'curve'"),
    ],
    ids=range(9),
)
def test_so_it_is_of_a_figure(write, old, new, line, told):
    says_so(write, old, new, f"line {line}, figures.figure", told)


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("{defense: at}, r", "{defense: att}, r", 35, "no defense 'att'; did you mean"),
        ("under: [fgsm]", "under: [fgms]", 35, "'resists': there is no threat 'fgms'"),
        ("under: [fgsm]", "over: [fgsm]", 35, "unknown key 'over'"),
        (", under: [fgsm]", "", 35, "a side is a defense under a threat, a metric of"),
        ("[iat, mart]", "[iat, mort]", 39, "no defense 'mort'; did you mean 'mart'?"),
        ("[clean, pgd40]", "[clean, pgd41]", 39, "no threat 'pgd41'; did you mean"),
        ("defense: dmat}", "defense: dmta}", 39, "no defense 'dmta'; did you mean"),
        ("{each_of", "{defense: at, each_of", 39, "has one `defense`, or several"),
        ("relation: within", "relation: near", 40, "'<', '>' or 'within', not 'near'"),
        ("{number: 5}", "{defense: at}", 39, "side of `within` must be a number"),
        ("{defense: at}, r", "{defense: at, corruptions: [fgo]}, r", 35, "mean 'fog'?"),
        ("pgd20, epoch", "pgd20, corruptions: [fog], epoch", 36, "a mean over corr"),
        ("at}, r", "at, trained_on: cifar}, r", 35, "no dataset 'cifar'"),
        ("pgd20, epoch", "pgd20, trained_on: cifar10, epoch", 36, "last weights are"),
        ("{number: 5}", "{number: five}", 41, "input should be a valid number"),
        ("at, threat: pgd20, e", "iat, threat: pgd20, e", 36, "keeps no weights on"),
        (
            "epoch: last",
            "size: linf, epoch: last",
            36,
            "`epoch` and `size` go with one",
        ),
        ("not_run: no code", "holds: []", 42, "say either what must hold, or under"),
        ("{name: later", "{name: resists", 42, "claims, 'resists': it is given twice"),
        ("2, says", "2, sais", 42, "the key 'says' is missing"),
        ("and more, dataset: cifar10", "and, dataset: cifar", 42, "no dataset 'cifar'"),
    ],
    ids=range(21),
)
def test_so_it_is_of_a_claim(write, old, new, line, told):
    says_so(write, old, new, f"line {line}, claims", told)


def says_so(write, old, new, place, told):
    assert old in PAPER
    with pytest.raises(PipelineError) as caught:
        load_config("paper", write(PAPER.replace(old, new, 1)))
    said = str(caught.value)
    assert said.startswith(f"{FOLDER}/{FILE}: {place}"), said
    assert "\n" not in said
    for part in told.split("…"):
        assert part.strip() in said, said
