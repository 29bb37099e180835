"""What plugins bring to the config stands among ours, and is checked like it."""

import pytest
import yaml

from pipeline_steps.config.load import load_config
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.jobs.planned import Planner
from tests.plugin_toys import RIPPLE

EDIT = {"perturbation": "ripple", "epsilon": "image", "step_size": "image/4"}
THREAT = {"title": "a ripple", "steps": 2, "edit": EDIT}
DEFENSE = {
    "title": "against ripples",
    "architecture": "resnet18",
    "recipe": {"recipe": "at", "threat": "ripple2"},
    "schedule": "short",
}
SCHEDULE = {"epochs": 1, "batch": 8, "learning_rate": 0.1}
PAPER = {
    "title": "Ripples",
    "authors": "A. N. Other",
    "tables": {
        "table1": {
            "title": "Table 1",
            "dataset": "digits",
            "columns": [{"name": "Ripple", "threat": "ripple2"}],
            "rows": [{"name": "A", "defense": "a", "published": [None]}],
        }
    },
}
CONFIG = {
    "threats": {"ripple2": THREAT},
    "defenses": {"schedules": {"short": SCHEDULE}, "defenses": {"a": DEFENSE}},
    "papers/ripples": PAPER,
}


def files(config, **more):
    """The files of a plugin with this config and one word."""
    pieces = {
        f"config/{name}.yaml": content
        if isinstance(content, str)
        else yaml.dump(content)
        for name, content in config.items()
    }
    return {"__init__.py": "", "perturbations/ripple.py": RIPPLE, **pieces, **more}


def test_the_entries_of_a_plugin_stand_among_ours(environment):
    plain = load_config("demo")
    environment.install(files(CONFIG))
    config = load_config("demo")
    assert config.threats.keys() - plain.threats.keys() == {"ripple2"}
    assert config.defenses.defenses.keys() - plain.defenses.defenses.keys() == {"a"}
    assert config.defenses.schedules["short"].epochs == 1
    assert config.papers.keys() - plain.papers.keys() == {"ripples"}
    planner = Planner("demo")
    job = planner.job("attack_defense", "digits", "a", "ripple2")
    assert job.spec["threat"]["edit"]["epsilon"] == 0.1
    assert job.code


def test_no_job_of_ours_is_another_one_beside_a_plugin(environment):
    def jobs():
        planner = Planner("demo")
        named = [
            ("train_defense", "digits", "ijsat"),
            ("attack_defense", "digits", "ijsat", "jsa50"),
            ("make_table", "ijsat", "table1"),
            ("make_figure", "ijsat", "figure2"),
            ("check_claims", "ijsat"),
        ]
        return [(j.spec, j.code) for j in (planner.job(*names) for names in named)]

    before = jobs()
    environment.install(files(CONFIG))
    assert jobs() == before


def test_a_scale_s_overrides_reach_what_a_plugin_brings(environment, config_root, edit):
    environment.install(files(CONFIG))
    edit("scales/demo", "overrides.defenses.schedules.short", {"epochs": 7})
    schedules = load_config("demo", config_root).defenses.schedules
    assert schedules["short"].epochs == 7


def changed(file, key, value):
    """The config of the plugin with one value changed, by its dotted key."""
    config = yaml.safe_load(yaml.dump(CONFIG))
    *parents, last = key.split(".")
    inside = config.setdefault(file, {})
    for part in parents:
        inside = inside[int(part) if isinstance(inside, list) else part]
    inside[last] = value
    return config


# What of the plugin's config is wrong, in which file, and what the sentence says.
TABLE = "tables.table1"
BROKEN = [
    ("threats", "ripple2.step", 3, "line 6, ripple2.step: unknown key 'step'; did"),
    ("threats", "ripple2.edit.epsilonn", 3, "'epsilonn'; did you mean 'epsilon'?"),
    ("threats", "ripple2.edit.perturbation", "riple", "did you mean 'ripple'?"),
    ("threats", "ripple2.steps", None, "ripple2.steps: the key 'steps' is missing"),
    ("threats", "pgd20", THREAT, "yaml has this name already; rename the plugin's"),
    ("defenses", "defenses.a.scedule", "short", "did you mean 'schedule'?"),
    ("defenses", "defenses.a.schedule", "shor", "no schedule 'shor'; did you mean"),
    ("defenses", "defenses.a.recipe.threat", "ripple3", "did you mean 'ripple2'?"),
    (
        "defenses",
        "defenses.at",
        DEFENSE,
        "yaml has this name already; rename the plugin's",
    ),
    ("defenses", "schedules.ijsat", SCHEDULE, "yaml has this name already"),
    ("defenses", "schedules.short.knots", [[0, 1]], "a learning_rate or its knots"),
    ("defenses", "defense", {}, "unknown key 'defense'; did you mean 'defenses'?"),
    ("defenses", "defenses", [], "line 1, defenses: it should hold names"),
    ("datasets", "digits", {}, "yaml has this name already; rename the plugin's"),
    ("papers/ripples", f"{TABLE}.datset", "x", "line 8, tables.table1.datset"),
    ("papers/ripples", f"{TABLE}.dataset", "digit", "did you mean 'digits'?"),
    ("papers/ripples", f"{TABLE}.columns.0.threat", "riple2", "line 5, tables.table1"),
    ("papers/ijsat", "title", "x", "yaml has this name already; rename the plugin's"),
    (
        "threat",
        "ripple3",
        THREAT,
        "can't have this config file; did you mean 'threats.yaml'",
    ),
    ("scales/demo", "title", "x", "a plugin can't have this config file"),
]


@pytest.mark.parametrize(
    ("file", "key", "value", "sentence"),
    BROKEN,
    ids=[f"{file}: {key}" for file, key, *_ in BROKEN],
)
def test_what_is_wrong_is_told_with_the_plugin_s_file(
    environment, file, key, value, sentence
):
    folder = environment.install(files(changed(file, key, value)))
    with pytest.raises(PipelineError) as error:
        load_config("demo")
    assert str(error.value).startswith(f"{folder}/config/{file}.yaml: ")
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["a: [", "- a\n", "a: 1\na: 2\n", ""])
def test_what_is_no_config_is_told_with_the_plugin_s_file(environment, content):
    folder = environment.install(files({"threats": content}))
    with pytest.raises(PipelineError) as error:
        load_config("demo")
    assert str(error.value).startswith(f"{folder}/config/threats.yaml")


@pytest.mark.parametrize("file", ["threats", "papers/ripples"])
def test_a_name_of_two_plugins_names_both_files(environment, file):
    folder = environment.install(
        files({"threats": CONFIG["threats"], file: CONFIG[file]})
    )
    piece = {f"config/{file}.yaml": yaml.dump(CONFIG[file])}
    other = environment.install(piece, "another", "another", "another-plugin")
    with pytest.raises(PipelineError) as error:
        load_config("demo")
    assert f"{folder}/config/{file}.yaml" in str(error.value)
    assert f"{other}/config/{file}.yaml" in str(error.value)


def test_a_plugin_that_is_needed_and_not_installed_is_told_first(
    environment, config_root
):
    own = config_root / "workflow/config/own.yaml"
    own.write_text("plugins: [toy]\nmodels: {}\n")
    with pytest.raises(PipelineError) as error:
        load_config("demo", config_root)
    assert str(error.value) == (
        "workflow/config/own.yaml: line 1, plugins: the plugin 'toy' is not installed; install "
        "it, or remove it from this list"
    )
    environment.install(files(CONFIG))
    assert "ripples" in load_config("demo", config_root).papers
    own.write_text("plugins: [tou]\n")
    environment.forget()
    with pytest.raises(PipelineError, match=r"'tou' is not installed.* mean 'toy'\?"):
        load_config("demo", config_root)


def test_a_name_of_a_removed_plugin_is_told_where_it_is_used(environment, config_root):
    own = config_root / "workflow/config/own.yaml"
    table = {**PAPER["tables"]["table1"], "rows": [{"name": "A", "defense": "at"}]}
    own.write_text(yaml.dump({"tables": {"mine": table}}))
    with pytest.raises(PipelineError) as error:
        load_config("demo", config_root)
    assert str(error.value).startswith("workflow/config/own.yaml: line ")
    assert "there is no threat 'ripple2'" in str(error.value)
    environment.install(files(CONFIG))
    assert "own" in load_config("demo", config_root).papers
