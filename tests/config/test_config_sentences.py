"""Whatever is wrong with a config is told with its file, its key and the nearest name."""

from pathlib import Path

import pytest
from yaml_edits import GONE

from pipeline_steps.config.load import load_config
from pipeline_steps.config.yaml_files import FOLDER
from pipeline_steps.core.errors import PipelineError

PIXEL = {"perturbation": "pixel", "epsilon": "8/255", "step_size": "2/255"}
TABLE, FIGURE = "tables.table1", "figures.figure2"
SIDE = "claims.0.holds.0.left"

# Which file, what in it, is set to what, and what the sentence must say.
BROKEN = [
    # Unknown keys, at each level.
    (
        "scales/demo",
        "evalution",
        {},
        "unknown key 'evalution'; did you mean 'evaluation'?",
    ),
    ("scales/demo", "evaluation.bach", 1, "evaluation.bach: … did you mean 'batch'?"),
    ("scales/demo", "resources.default.thread", 1, "did you mean 'threads'?"),
    ("datasets", "digits.clases", 10, "digits.clases: … did you mean 'classes'?"),
    ("datasets", "digits.budgets.imag", 0.1, "did you mean 'image'?"),
    ("datasets", "cifar10.augmentation.flipp", True, "did you mean 'flip'?"),
    ("datasets", "cifar10.source.fils", [], "'fils'; did you mean 'files'?"),
    ("datasets", "cifar10.source.files.0.lenght", 1, "in source 'cifar': … 'length'?"),
    ("datasets", "digits.cut.rul", "iid", "digits.cut.rul: … did you mean 'rule'?"),
    ("generators", "glow.training.epoch", 1, "did you mean 'epochs'?"),
    ("generators", "glow.model.step", 1, "'step'; did you mean 'steps'?"),
    ("threats", "pgd20.step", 20, "pgd20.step: … did you mean 'steps'?"),
    ("threats", "pgd20.edit.epsilonn", 0.1, "'epsilonn'; did you mean 'epsilon'?"),
    ("threats", "jsa10.edit.parts.1.epsilonn", 0.1, "did you mean 'epsilon'?"),
    ("defenses", "schedules.ijsat.momentun", 0.9, "did you mean 'momentum'?"),
    ("defenses", "defenses.at.scedule", "ijsat", "did you mean 'schedule'?"),
    ("defenses", "defenses.ijsat.recipe.taw", 0.1, "'taw'; did you mean 'tau'?"),
    ("papers/ijsat", "figure", {}, "unknown key 'figure'; did you mean 'figures'?"),
    ("papers/ijsat", f"{TABLE}.rows.0.defence", "at", "did you mean 'defense'?"),
    ("papers/ijsat", f"{TABLE}.columns.0.treat", "at", "did you mean 'threat'?"),
    ("papers/ijsat", f"{FIGURE}.panels.0.lable", "x", "did you mean 'label'?"),
    ("papers/ijsat", f"{SIDE}.treat", "pgd20", "did you mean 'threat'?"),
    # Unknown names of other entries.
    ("names", "threats.pgd2", "PGD-2", "threats.pgd2: … there is no threat 'pgd2'"),
    (
        "papers/ijsat",
        f"{TABLE}.rows.1.defense",
        "ijsta",
        "no defense 'ijsta'; did you mean 'ijsat",
    ),
    ("scales/demo", "pages", {"ijsta": {}}, "no paper 'ijsta'; did you mean 'ijsat'"),
    ("scales/demo", "pages.ijsat.tabel1", {}, "'tabel1'; did you mean 'table1'?"),
    ("scales/demo", "pages.ijsat.table1.defenses", ["ijsta"], "did you mean 'ijsat"),
    ("scales/demo", "pages.ijsat.table1.threats", ["pdg20"], "did you mean 'pgd20'"),
    ("papers/ijsat", f"{TABLE}.columns.1.threat", "pdg20", "did you mean 'pgd20'?"),
    ("papers/ijsat", f"{TABLE}.dataset", "cifar", "no dataset 'cifar'; … 'cifar10'?"),
    ("papers/ijsat", f"{FIGURE}.panels.0.defense", "ijsta", "did you mean 'ijsat'?"),
    ("papers/ijsat", "figures.figure-glow.panels.0.manifold", "glwo", "… 'glow'?"),
    ("papers/ijsat", f"{SIDE}.defense", "norml", "did you mean 'normal'?"),
    ("papers/ijsat", "claims.6.holds.0.left.manifold", "glowe", "did you mean 'glow'?"),
    ("papers/ijsat", "claims.0.dataset", "digit", "did you mean 'digits'?"),
    (
        "defenses",
        "defenses.at.recipe.threat",
        "pgd",
        "no threat 'pgd'; did you mean 'pgd",
    ),
    ("defenses", "defenses.at.schedule", "ijsa", "no schedule 'ijsa'; … 'ijsat'?"),
    ("threats", "om-pgd.edit.generator", "glov", "no generator 'glov'; … 'glow'?"),
    ("threats", "jsa10.edit.parts.0.generator", "glov", "did you mean 'glow'?"),
    ("scales/demo", "stand_ins.datasets", {"cifar10": "digts"}, "mean 'digits'?"),
    ("scales/demo", "stand_ins.datasets", {"cifra10": "digits"}, "mean 'cifar10'?"),
    (
        "scales/demo",
        "stand_ins.architectures",
        {"resnet81": "small_cnn"},
        "… 'resnet18'?",
    ),
    ("scales/demo", "resources.train_defens", {}, "… did you mean 'train_defense'?"),
    (
        "scales/demo",
        "overrides.threats",
        {"pdg20": {"steps": 5}},
        "'pdg20' to override",
    ),
    (
        "scales/demo",
        "overrides.defenses.defenses.ijsta",
        {},
        "'ijsta' to override; did",
    ),
    ("scales/demo", "overrides.generators.glow.modle", {}, "… did you mean 'model'?"),
    # Unknown registered words.
    (
        "threats",
        "pgd20.edit.perturbation",
        "pixle",
        "no perturbation 'pixle'; … 'pixel'?",
    ),
    ("threats", "jsa10.edit.parts.1.perturbation", "pixle", "did you mean 'pixel'?"),
    ("threats", "pgd20.objective", "cross", "did you mean 'cross_entropy'?"),
    ("defenses", "defenses.at.recipe.recipe", "att", "did you mean 'at'?"),
    ("defenses", "defenses.at.architecture", "resnet81", "did you mean 'resnet18'?"),
    ("generators", "glow.model.generator", "gloww", "did you mean 'glow'?"),
    ("datasets", "digits.source.source", "digit", "did you mean 'digits'?"),
    (
        "papers/ijsat",
        f"{FIGURE}.figure",
        "training",
        "… did you mean 'training_curves'?",
    ),
    # Wrong types and values.
    ("scales/demo", "evaluation.batch", "many", "evaluation.batch: … integer … 'many'"),
    ("scales/demo", "evaluation.batch", 0, "greater than 0, not 0"),
    ("scales/demo", "seeds", [], "seeds: … at least 1 item"),
    ("scales/demo", "overrides.threats", {"pgd20": 5}, "overrides.threats.pgd20"),
    ("datasets", "digits.size", 16.5, "digits.size: … integer … not 16.5"),
    ("datasets", "digits.cut.share", 1.5, "less than or equal to 1, not 1.5"),
    ("datasets", "digits.cut.rule", "last", "'iid' or 'file_order', not 'last'"),
    (
        "datasets",
        "cifar10.source.files.0.digest",
        "sha1:00",
        "files.0.digest: … a checksum is written `sha256:",
    ),
    ("datasets", "mixed10.source.fit", "squeeze", "fit: … input should be 'stretch'"),
    (
        "datasets",
        "cifar10.budgets.image",
        8,
        "8 is outside 0 to 1: … write 8/255 for 8",
    ),
    (
        "datasets",
        "cifar10.budgets.image",
        "image/4",
        "a budget must be a number or a fraction",
    ),
    (
        "threats",
        "pgd20.edit",
        {**PIXEL, "epsilon": 8},
        "epsilon: … 8 is outside 0 to 1",
    ),
    (
        "threats",
        "pgd20.edit",
        {**PIXEL, "epsilon": "8/O"},
        "'8/O' is not an amount: write a",
    ),
    ("threats", "pgd20.edit", 5, "pgd20.edit: name a perturbation, such as"),
    ("threats", "PGD 20", {}, "PGD 20: a name is of small letters"),
    ("defenses", "schedules.ijsat.drops", [0], "schedules.ijsat.drops.0: … not 0"),
    (
        "defenses",
        "defenses.at.recipe.threat",
        5,
        "threat: … be the name of a threat, not 5",
    ),
    ("papers/ijsat", "claims.0.holds.0.relation", "=", "'<', '>' or 'within', not '='"),
    ("papers/ijsat", f"{FIGURE}.panels.0.what", "curv", "'curve', 'examples'"),
    ("datasets", "digits.budgets.image", -0.1, "-0.1 is outside 0 to 1"),
    (
        "datasets",
        "digits.budgets.image",
        "1/0",
        "'1/0' is not an amount: write a number",
    ),
    (
        "datasets",
        "digits",
        ["a"],
        "it should hold settings, `key: value`, not the list",
    ),
    ("datasets", "digits", None, "it should hold settings, `key: value`, not nothing"),
    ("threats", "pgd20", "pixel", "it should hold settings, `key: value`, not 'pixel'"),
    ("papers/ijsat", f"{TABLE}.rows", {"a": 1}, "a list, `[…]`, not the settings {'a'"),
    ("papers/ijsat", f"{TABLE}.rows.0.published.0", "n/a", "valid number, … not 'n/a'"),
    ("papers/ijsat", f"{TABLE}.rows.0.published.0", 101, "101 is not a percentage"),
    ("papers/ijsat", f"{TABLE}.columns.1.threat", "PGD20", "did you mean 'pgd20'?"),
    (
        "defenses",
        "schedules.ijsat.learning_rate",
        float("inf"),
        "finite number, not inf",
    ),
    ("defenses", "schedules.ijsat.learning_rate", "fast", "valid number, … not 'fast'"),
    ("defenses", "schedules.dmat.learning_rate", 0.1, "say either a learning_rate or"),
    ("defenses", "defenses", None, "defenses: it should hold settings, … not nothing"),
    (
        "defenses",
        "defenses.at.weights_of",
        "ta",
        "no defense 'ta', whose weights 'at' is",
    ),
    (
        "defenses",
        "defenses.at.weights_of",
        "at",
        "'at', whose … no training of its own",
    ),
    ("scales/demo", "seeds", 0, "seeds: it should be a list, `[…]`, not 0"),
    ("scales/demo", "seeds", [-1], "greater than or equal to 0, not -1"),
    ("scales/demo", "seeds", [0, 0], "seeds: the seed 0 is given twice"),
    ("scales/demo", "resources", None, "resources: it should hold settings, … nothing"),
    ("scales/demo", "overrides", [1], "overrides: it should hold settings, … the list"),
    (
        "scales/demo",
        "overrides.threats",
        [3],
        "threats: it should hold settings, … [3]",
    ),
    ("scales/demo", "shards.threats", {"pgd20": 0}, "threats.pgd20: … than 0, not 0"),
    ("scales/demo", "shards.threats", {"pdg20": 2}, "'pdg20'; did you mean 'pgd20'?"),
    ("scales/demo", "evaluation.features", "norml", "no defense 'norml'; … 'normal'?"),
    (
        "scales/demo",
        "evaluation.features",
        "digits",
        "'digits' holds images, and no net",
    ),
    ("datasets", "digits.corruptions", {"frost": "ice"}, "frost: … no dataset 'ice'"),
    (
        "datasets",
        "digits.corruptions",
        {"frost": "om-digits"},
        "frost: … projected has",
    ),
    ("generators", "sngan.model", None, "name a generator, such as 'glow', with its"),
    # Missing keys.
    ("scales/demo", "evaluation", GONE, "the key 'evaluation' is missing"),
    (
        "scales/demo",
        "resources.default",
        GONE,
        "resources: the key 'default' is missing",
    ),
    (
        "datasets",
        "digits.classes",
        GONE,
        "digits.classes: the key 'classes' is missing",
    ),
    ("datasets", "digits.source.digest", GONE, "the key 'digest' is missing"),
    ("threats", "pgd20.steps", GONE, "pgd20.steps: the key 'steps' is missing"),
    ("threats", "pgd20.edit.epsilon", GONE, "the key 'epsilon' is missing"),
    ("threats", "pgd20.edit", GONE, "pgd20: say either an edit with its steps, or an"),
    ("threats", "pgd20.attack", "square", "attack.epsilon: in attack 'square': the"),
    ("threats", "rays10k.steps", 5, "rays10k.steps: only an edit takes this; see the"),
    ("threats", "rays10k.attack.query", 5, "'query'; did you mean 'queries'?"),
    (
        "threats",
        "rays10k.attack.attack",
        "rayz",
        "no attack 'rayz'; did you mean 'rays'?",
    ),
    ("defenses", "schedules", GONE, "the key 'schedules' is missing"),
    ("defenses", "defenses.at.recipe.threat", GONE, "the key 'threat' is missing"),
    ("papers/ijsat", "title", GONE, "the key 'title' is missing"),
    ("papers/ijsat", f"{TABLE}.rows.0.published", GONE, "'published' is missing"),
    # Right alone, and wrong together.
    ("papers/ijsat", f"{TABLE}.rows.0.published", [1.0], "1 published numbers for 7"),
    ("papers/ijsat", f"{TABLE}.columns.0.threat", GONE, "'Standard': say either what"),
    ("papers/ijsat", f"{TABLE}.columns.0.not_run", "so", "'Standard': say either what"),
    ("papers/ijsat", f"{TABLE}.rows.0.defense", GONE, "'Normal Training': say either"),
    ("papers/ijsat", f"{SIDE}.threat", GONE, "a side is a defense under a threat, a"),
    ("papers/ijsat", f"{SIDE}.number", 5, "'normal-falls-to-pgd': a side is a defense"),
    ("papers/ijsat", "claims.0.holds", [], "say either what must hold, or under"),
    ("papers/ijsat", "claims.0.not_run", "so", "say either what must hold, or under"),
    (
        "papers/ijsat",
        f"{FIGURE}.panels.0.threat",
        GONE,
        "'AT': a panel that shows a curve",
    ),
    (
        "papers/ijsat",
        "figures.figure-glow.panels.0.manifold",
        GONE,
        "names its manifold",
    ),
    (
        "papers/ijsat",
        f"{FIGURE}.panels.0.defense",
        "trades",
        "keeps no weights on the way",
    ),
]


# Stands in a key's place to find its line.
MARKER = "HERE"


def line_with(path: Path, text: str) -> int:
    lines = path.read_text().splitlines()
    return next(i for i, line in enumerate(lines, 1) if text in line)


def assert_says(text: str, told: str) -> None:
    """That a sentence holds these parts, one after the other."""
    rest = text
    for part in map(str.strip, told.split("…")):
        assert part in rest, text
        rest = rest[rest.index(part) + len(part) :]


@pytest.mark.parametrize(
    ("file", "key", "value", "told"),
    [pytest.param(*case, id=f"{case[1]}-{i}") for i, case in enumerate(BROKEN)],
)
def test_a_broken_config_is_one_sentence(config_root, edit, file, key, value, told):
    path = config_root / FOLDER / f"{file}.yaml"
    edit(file, key, MARKER)
    at, entry = line_with(path, MARKER), line_with(path, f"{key.partition('.')[0]}:")
    edit(file, key, value)
    with pytest.raises(PipelineError) as caught:
        load_config("demo", config_root)
    text = str(caught.value)
    assert text.startswith(f"{FOLDER}/{file}.yaml: "), text
    assert "\n" not in text
    assert_says(text, told)
    line = int(text.partition(": line ")[2].partition(",")[0])
    if key in text and value is not GONE:
        assert line == at or (line > at and isinstance(value, dict | list)), text
    else:
        assert min(entry, at) <= line <= at or (line == 1 and "." not in key), text


def test_an_unknown_scale_brings_the_nearest_known_one(config_root):
    with pytest.raises(PipelineError, match=r"no scale 'dem0'; did you mean 'demo'\?"):
        load_config("dem0", config_root)


# What stands in a file that is no config, and what is said of it.
NO_CONFIG = {
    "missing": (None, " is missing"),
    "empty": ("", ": it is empty, and should hold names with settings"),
    "only a comment": ("# later\n", ": it is empty, and should hold"),
    "a list": ("# these\n- a\n- b\n", ": line 2: it should hold names with settings"),
    "one word": ("clean\n", ": line 1: it should hold names … not 'clean'"),
    "an open bracket": (
        "a: [1, 2\nb: 3\n",
        ": line 2 is not YAML: … ',' or ']', … line 1",
    ),
    "an open quote": ("a: 1\nb: 'x\n\n", ": line 4 is not YAML: … end … on line 2"),
    "a tab": ("a:\n\tb: 1\n", ": line 2 is not YAML: it is indented by a tab"),
    "a tab behind spaces": ("a:\n  b: 1\n  \tc: 1\n", ": line 3 is not YAML: … tab"),
    "two colons": ("a: 1\nb: c: d\n", ": line 2 is not YAML: mapping values"),
    "an indent too deep": ("a: 1\n  b: 2\n", ": line 2 is not YAML: mapping values"),
    "an unknown alias": (
        "a: 1\nb: *c\n",
        ": line 2 is not YAML: found undefined alias",
    ),
    "two documents": ("a: 1\n---\nb: 1\n", ": line 2 is not YAML: … another document"),
    "code": ("a: 1\nb: !!python/name:os.system\n", ": line 2 is not YAML: could not"),
    "a list as key": (
        "a: 1\n? [b]\n: 2\n",
        ": line 2 is not YAML: found unhashable key",
    ),
    "a control character": (
        "a: 1\nb: \x07\n",
        ": line 2 is not YAML: control characters",
    ),
    "no date": (
        "a: 1\nb: 2026-13-45\n",
        ": line 2 is not YAML: month must be in 1..12",
    ),
    "Latin-1": ("a: 1\nb: \xe9\n".encode("latin-1"), ": line 2 is not UTF-8; save"),
    "a key twice": (
        "a: 1\nb: 2\na: 3\n",
        ": line 3: the key 'a' is given twice, … line 1",
    ),
    "a key twice inside": (
        "a: {b: 1,\n  b: 2}\n",
        ": line 2: the key 'b' is given twice",
    ),
}


@pytest.mark.parametrize(("content", "told"), NO_CONFIG.values(), ids=NO_CONFIG)
def test_a_file_that_is_no_config_is_named_with_the_line(config_root, content, told):
    path = config_root / FOLDER / "threats.yaml"
    match content:
        case None:
            path.unlink()
        case str():
            path.write_text(content)
        case bytes():
            path.write_bytes(content)
    with pytest.raises(PipelineError) as caught:
        load_config("demo", config_root)
    text = str(caught.value)
    assert text.startswith(f"{FOLDER}/threats.yaml{told.partition('…')[0].rstrip()}"), (
        text
    )
    assert_says(text, told)


def test_a_folder_in_a_files_place_is_named(config_root):
    path = config_root / FOLDER / "threats.yaml"
    path.unlink()
    path.mkdir()
    with pytest.raises(PipelineError, match=r"threats\.yaml can't be read: Is a direc"):
        load_config("demo", config_root)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("My Paper", "a name is of small letters, … not 'My Paper'; rename the file"),
        ("all", "'all' is a target of its own; rename the file"),
        ("own", "'own' is a target of its own; rename the file"),
        ("make_table", "'make_table' is a target of its own; rename the file"),
    ],
)
def test_a_paper_whose_name_is_no_target_is_refused(config_root, name, told):
    path = config_root / FOLDER / f"papers/{name}.yaml"
    path.write_text("title: x\nauthors: y\n")
    with pytest.raises(PipelineError) as caught:
        load_config("demo", config_root)
    assert str(caught.value).startswith(f"{FOLDER}/papers/{name}.yaml: ")
    assert_says(str(caught.value), told)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", ": it is empty"),
        ("model: {}\n", ": line 1, model: unknown key 'model'; did you mean 'models'?"),
        ("models:\n  m:\n", ": line 2, models.m: it should hold settings"),
        ("models:\n  My Model: {}\n", ": line 2, models.My Model: a name is of small"),
        (
            "rows:\n  ijsta: {}\n",
            ": line 2, rows.ijsta: there is no paper 'ijsta'; did",
        ),
        (
            "rows:\n  ijsat:\n    table1: 3\n",
            ": line 3, rows.ijsat.table1: it should be",
        ),
    ],
    ids=["empty", "a key", "a model of nothing", "a name", "a paper", "no list"],
)
def test_what_is_wrong_in_own_yaml_is_told_with_its_line(config_root, content, told):
    (config_root / FOLDER / "own.yaml").write_text(content)
    with pytest.raises(PipelineError) as caught:
        load_config("demo", config_root)
    assert str(caught.value).startswith(f"{FOLDER}/own.yaml{told}")


def test_what_a_scale_overrides_is_blamed_on_the_scale(config_root, edit):
    edit("scales/demo", "overrides.generators.glow.training.epochs", 0)
    with pytest.raises(PipelineError) as caught:
        load_config("demo", config_root)
    assert str(caught.value).startswith(
        f"{FOLDER}/scales/demo.yaml: line 159, overrides.generators.glow.training.epochs: "
    )
