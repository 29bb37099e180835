"""The steps judge what their cards vouch for, and nothing else."""

import json
import re

import pandas as pd
import pytest
import torch

from pipeline_steps.core.card import Card, file_facts
from pipeline_steps.core.files import read_json
from pipeline_steps.core.tensors import read_tensors, write_tensors
from pipeline_steps.defenses.load import new_model


def test_the_card_tells_what_the_verdicts_say(judge_step):
    status, places = judge_step()
    assert status == 0
    table, card = pd.read_parquet(places["verdicts"]), read_json(places["card"])
    assert card["metrics"]["accuracy"] == round(100 * table["correct"].mean(), 4)
    assert card["metrics"]["images"] == len(table) == 20
    assert card["metrics"]["same_when_asked_twice"] is True
    assert card["metrics"]["largest_linf"] == pytest.approx(
        table["linf"].max(), abs=1e-6
    )


def test_the_same_job_gives_the_same_bytes(judge_step):
    one, two = (judge_step(folder=folder)[1] for folder in ("one", "two"))
    for role in ("verdicts", "examples", "card"):
        assert one[role].read_bytes() == two[role].read_bytes()


def test_fewer_images_are_the_first_ones_with_the_same_verdicts(judge_step):
    whole = pd.read_parquet(judge_step(folder="whole")[1]["verdicts"])
    first = pd.read_parquet(judge_step(folder="first", images=12)[1]["verdicts"])
    pd.testing.assert_frame_equal(first, whole[:12])


@pytest.mark.parametrize("kept", [0, 4, 99], ids="{} kept".format)
def test_the_first_images_are_kept_before_and_after(judge_step, toy_files, kept):
    _, places = judge_step(kept=kept)
    examples = read_tensors(places["examples"])
    table = pd.read_parquet(places["verdicts"])
    count = min(kept, 20)
    assert {len(tensor) for tensor in examples.values()} == {count}
    assert examples["prediction"].tolist() == table["prediction"][:count].tolist()
    assert examples["label"].tolist() == table["label"][:count].tolist()
    if count:
        far = (examples["edited"] - examples["original"]).abs().amax(dim=(1, 2, 3))
        assert torch.allclose(far, torch.tensor(table["linf"][:count].to_numpy()))


def test_a_curve_tells_of_each_kept_epoch_in_turn(judge_step):
    status, places = judge_step("attack_snapshots", kept=0)
    assert status == 0
    curve, card = pd.read_parquet(places["curve"]), read_json(places["card"])
    assert curve["epoch"].unique().tolist() == [3, 6]
    assert curve.groupby("epoch")["image"].apply(list).tolist() == [list(range(20))] * 2
    means = 100 * curve.groupby("epoch")["correct"].mean()
    assert card["metrics"]["accuracy"] == {
        str(e): round(a, 4) for e, a in means.items()
    }
    assert means[6] > means[3], "training helps"


def test_the_last_point_of_a_curve_is_the_verdict_on_the_weights(judge_step):
    curve = pd.read_parquet(judge_step("attack_snapshots", "curve", kept=0)[1]["curve"])
    table = pd.read_parquet(judge_step(folder="whole")[1]["verdicts"])
    last = curve[curve["epoch"] == 6]
    assert last["correct"].tolist() == table["correct"].tolist()


def vouch(checkpoint, role="weights"):
    """A card that fits a changed file."""
    facts = {role: file_facts(checkpoint[role])}
    Card("defenses.train_defense", {}, {}, {}, facts).write(checkpoint["card"])


@pytest.mark.parametrize("role", ["weights", "snapshots"])
@pytest.mark.parametrize(
    ("harm", "told"),
    [
        pytest.param(
            "cut",
            "safetensors has .* bytes where its card .* it is truncated",
            id="cut",
        ),
        pytest.param("bit", "safetensors does not match its card", id="bit"),
        pytest.param("gone", "safetensors is missing; build it, or pull it", id="gone"),
        pytest.param(
            "cut, vouched for",
            "safetensors is damaged or of another format",
            id="cut and vouched for",
        ),
        pytest.param(
            "network", "safetensors holds the weights of another network", id="network"
        ),
        pytest.param("unnamed", "lists no", id="unnamed"),
    ],
)
def test_weights_that_are_not_what_they_should_be_are_refused(
    judge_step, checkpoint, toy_architecture, capsys, role, harm, told
):
    path = checkpoint[role]
    content = bytearray(path.read_bytes())
    if harm.startswith("cut"):
        path.write_bytes(content[:-100])
    elif harm == "bit":
        content[-1] ^= 1
        path.write_bytes(content)
    elif harm == "gone":
        path.unlink()
    elif harm == "unnamed":
        Card("", {}, {}, {}, {}).write(checkpoint["card"])
    if harm == "cut, vouched for":
        vouch(checkpoint, role)
    elif harm == "network":
        other = new_model({**toy_architecture, "width": 9}, seed=0).state_dict()
        prefix = "6/" if role == "snapshots" else ""
        write_tensors(path, {prefix + name: tensor for name, tensor in other.items()})
        vouch(checkpoint, role)
    step = "attack_defense" if role == "weights" else "attack_snapshots"
    status, places = judge_step(step)
    assert status == 1
    assert re.search(f"error: .*{told}", capsys.readouterr().err)
    assert not any(place.exists() for place in places.values())


def test_images_that_are_not_those_of_their_card_are_refused(
    judge_step, toy_files, tmp_path, monkeypatch, capsys
):
    card = json.loads(toy_files["card"].read_text())
    card["outputs"]["test_images"]["sha256"] = "0" * 64
    monkeypatch.setitem(toy_files, "card", tmp_path / "other.json")
    toy_files["card"].write_text(json.dumps(card))
    assert judge_step()[0] == 1
    assert "test.images.npy does not match its card" in capsys.readouterr().err


def test_how_large_an_edit_looks_is_told_where_it_is_asked_for(
    judge_step, toy_architecture, threat_entry
):
    features = {"defense": "normal", "network": toy_architecture}
    still, means = {"edit": {"perturbation": "nothing"}, "steps": 0}, []
    for threat in (threat_entry() | still, threat_entry()):
        status, places = judge_step(features=features, threat=threat, shards=2)
        assert status == 0
        sizes = pd.read_parquet(places["verdicts"])["perceptual"]
        means.append(read_json(places["card"])["metrics"]["mean_perceptual"])
        assert means[-1] == pytest.approx(sizes.mean(), abs=1e-6)
    assert means[0] == 0 < means[1]
    _, places = judge_step()
    assert "perceptual" not in pd.read_parquet(places["verdicts"])


@pytest.mark.parametrize("shards", [2, 3, 4, 7], ids="{} shards".format)
def test_the_number_of_shards_changes_no_byte(judge_step, shards):
    """Four batches: seven shards leave some with none, and their pictures too."""
    whole, cut = judge_step(folder="whole"), judge_step(folder="cut", shards=shards)
    assert whole[0] == cut[0] == 0
    for role in ("verdicts", "examples", "card"):
        assert whole[1][role].read_bytes() == cut[1][role].read_bytes()


def test_the_record_tells_what_all_shards_cost(judge_step):
    _, places = judge_step(shards=3)
    record = read_json(places["record"])
    assert len(record["parts"]) == 3
    assert record["seconds"] >= sum(part["seconds"] for part in record["parts"])


def another_seed(spec, parts):
    spec["seed"] = 1


def another_order(spec, parts):
    for paths in parts.values():
        paths.reverse()


def other_bytes(spec, parts):
    path = parts["verdicts"][1]
    path.write_bytes(path.read_bytes()[:-1] + b"?")


@pytest.mark.parametrize(
    ("meddle", "told"),
    [
        pytest.param(another_seed, "is a shard of another job", id="another seed"),
        pytest.param(another_order, "is a shard of another job", id="another order"),
        pytest.param(other_bytes, "verdicts does not match its card", id="other bytes"),
    ],
)
def test_shards_that_do_not_fit_are_refused(judge_step, capsys, meddle, told):
    status, places = judge_step(shards=2, meddle=meddle)
    assert status == 1
    assert told in capsys.readouterr().err
    assert not any(place.exists() for place in places.values())
