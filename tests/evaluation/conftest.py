"""A trained toy defense with its card, and the steps that judge it."""

from types import MappingProxyType

import pytest
import torch

from pipeline_steps.core.card import Card, file_facts
from pipeline_steps.core.step import run
from pipeline_steps.core.tensors import write_tensors
from pipeline_steps.defenses.load import new_model
from pipeline_steps.defenses.spec import DefenseSpec
from pipeline_steps.defenses.train_defense import train_defense
from pipeline_steps.evaluation import (
    attack_defense,
    attack_snapshots,
    explain_defense,
)
from pipeline_steps.evaluation.spec import AttackSpec
from tests.job_words import job_words

PIXEL = {"perturbation": "pixel", "norm": "linf", "epsilon": 0.1, "step_size": 0.05}
JUDGED = ("verdicts", "examples", "card", "record")
STEPS = {
    "attack_defense": (AttackSpec, attack_defense.main, JUDGED),
    "attack_snapshots": (AttackSpec, attack_snapshots.main, ("curve", "card")),
    "explain_defense": (AttackSpec, explain_defense.main, ("maps", "card")),
}


@pytest.fixture
def threat_entry():
    """A threat's spec: so many steps on the pixels."""

    def threat_entry(steps=3, **more):
        objective = {"objective": "cross_entropy"}
        return {"edit": {**PIXEL, **more}, "objective": objective, "steps": steps}

    return threat_entry


@pytest.fixture
def trained(toy_images, toy_dataset, toy_architecture, tmp_path):
    """A network that knows the toy images quite well."""
    spec = DefenseSpec(
        name="normal",
        dataset=toy_dataset,
        augmentation={},
        architecture=toy_architecture,
        recipe={"recipe": "normal"},
        schedule={"epochs": 6, "batch": 16, "learning_rate": 0.1},
        snapshots=0,
        seed=0,
    )
    cpu = torch.device("cpu")
    return train_defense(spec, toy_images, {}, tmp_path / "scratch", cpu)[0]


@pytest.fixture
def checkpoint(tmp_path, trained, toy_architecture):
    """Weights and snapshots on disk, with their card."""
    files = {
        role: tmp_path / f"{role}.safetensors" for role in ("weights", "snapshots")
    }
    states = {3: new_model(toy_architecture, seed=0), 6: trained}
    write_tensors(files["weights"], trained.state_dict())
    kept = {f"{e}/{n}": t for e, m in states.items() for n, t in m.state_dict().items()}
    write_tensors(files["snapshots"], kept)
    facts = {role: file_facts(path) for role, path in files.items()}
    files["card"] = tmp_path / "defense.json"
    Card("defenses.train_defense", {}, {}, {}, facts).seen_from(
        files["card"].parent
    ).write(files["card"])
    return files


@pytest.fixture
def judge_step(
    tmp_path,
    monkeypatch,
    toy_files,
    checkpoint,
    toy_dataset,
    toy_architecture,
    threat_entry,
):
    """Runs a step of this floor in this process: its exit status, and its outputs."""

    def judge_step(
        step="attack_defense",
        folder="out",
        shards=None,
        meddle=None,
        sources=MappingProxyType({}),
        more=MappingProxyType({}),
        **changes,
    ):
        monkeypatch.chdir(tmp_path)
        spec = {
            "dataset": toy_dataset,
            "architecture": toy_architecture,
            "threat": threat_entry(),
            "images": None,
            "batch": 6,
            "kept": 4,
            "seed": 0,
            **changes,
        }
        inputs = {
            "images": toy_files["test_images"],
            "labels": toy_files["test_labels"],
            "images_card": toy_files["card"],
            "labels_card": toy_files["card"],
            "generators": "",
            "generators_card": "",
            "sources": sources.get("weights", ""),
            "sources_card": sources.get("card", ""),
            **more,
        }
        if changes.get("features"):
            inputs |= {"features": checkpoint["weights"]}
            inputs |= {"features_card": checkpoint["card"]}
        source = "snapshots" if step == "attack_snapshots" else "weights"
        inputs |= {source: checkpoint[source], f"{source}_card": checkpoint["card"]}
        if shards is None:
            return call(step, tmp_path / folder, spec, inputs)
        parts = {}
        for number in range(1, shards + 1):
            shard = {**spec, "shard": {"number": number, "of": shards}}
            place = tmp_path / folder / f"{number}-of-{shards}"
            status, places = call("attack_defense", place, shard, inputs)
            if status:
                return status, places
            for role, path in places.items():
                parts.setdefault(role, []).append(path)
        if meddle:
            meddle(spec, parts)
        cards = {name: path for name, path in inputs.items() if name.endswith("_card")}
        return call(step, tmp_path / folder, spec, cards, parts)

    return judge_step


def call(step, folder, spec, inputs, parts=None):
    """One step: its exit status, and where its outputs are."""
    model, main, roles = STEPS[step]
    places = {role: folder / role for role in roles}
    command = job_words(f"evaluation.{step}", spec, places, inputs, parts or {})
    try:
        run(f"evaluation.{step}", model, main, command)
    except SystemExit as error:
        return error.code, places
    return 0, places
