"""An attack that was crafted on another defense."""

import pandas as pd
import pytest

from pipeline_steps.core.card import Card, file_facts
from pipeline_steps.core.files import read_json
from pipeline_steps.core.tensors import write_tensors
from pipeline_steps.defenses.load import new_model


@pytest.fixture
def transferred(threat_entry, toy_architecture):
    """The spec of an attack that is crafted on a defense by the name of `other`."""
    other = {"defense": "other", "network": toy_architecture}
    ascent = {"attack": "ascent", **threat_entry(10)}
    return {"attack": "transfer", "crafted_on": other, "threat": ascent}


@pytest.fixture
def stranger(tmp_path, toy_architecture):
    """The weights of another network of this kind, with their card."""
    files = {"weights": tmp_path / "other.safetensors", "card": tmp_path / "other.json"}
    write_tensors(files["weights"], new_model(toy_architecture, seed=9).state_dict())
    facts = {"weights": file_facts(files["weights"])}
    Card("defenses.train_defense", {}, {}, {}, facts).seen_from(
        files["card"].parent
    ).write(files["card"])
    return files


def test_crafted_on_the_same_weights_it_is_the_attack_itself(
    judge_step, checkpoint, threat_entry, transferred
):
    _, own = judge_step(folder="own", threat=threat_entry(10))
    status, places = judge_step(threat=transferred, sources=checkpoint)
    assert status == 0
    white, black = (pd.read_parquet(p["verdicts"]) for p in (own, places))
    assert (white["correct"] == black["correct"]).all()
    assert abs(white["margin"] - black["margin"]).max() < 1e-3


def test_crafted_on_a_stranger_it_does_less(
    judge_step, stranger, threat_entry, transferred
):
    _, own = judge_step(folder="own", threat=threat_entry(10))
    _, places = judge_step(threat=transferred, sources=stranger)
    white, black = (pd.read_parquet(p["verdicts"]) for p in (own, places))
    assert black["margin"].mean() > white["margin"].mean()
    assert abs(black["linf"].max() - white["linf"].max()) < 1e-6, "the same budget"


def test_the_card_names_what_it_was_crafted_on(judge_step, stranger, transferred):
    _, places = judge_step(threat=transferred, sources=stranger)
    told = read_json(places["card"])["inputs"]["sources_card"]
    assert told[0]["sha256"] == file_facts(stranger["card"])["sha256"]


def test_a_source_that_was_tampered_with_is_refused(
    judge_step, stranger, transferred, capsys
):
    path = stranger["weights"]
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert judge_step(threat=transferred, sources=stranger)[0] == 1
    assert "other.safetensors does not match its card" in capsys.readouterr().err
