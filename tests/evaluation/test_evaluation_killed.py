"""An evaluation that is killed goes on from the last finished batch, to the same bytes."""

import signal
import subprocess
import time

import pytest

from pipeline_steps.core.step import INTERRUPTED

ROLES = {
    "verdicts": "verdicts.parquet",
    "examples": "examples.safetensors",
    "card": "card.json",
    "record": "record.json",
}
AUTOATTACK = {
    "attack": "autoattack",
    "epsilon": 0.1,
    "steps": 5,
    "queries": 100,
    "targets": 2,
}


@pytest.fixture
def toy_dataset(toy_dataset):
    """AutoAttack wants four classes at least, of which the toy images show three."""
    return {**toy_dataset, "classes": 10}


@pytest.fixture
def toy_architecture(toy_architecture):
    return {**toy_architecture, "classes": 10}


@pytest.fixture
def started(tmp_path, toy_files, checkpoint, toy_dataset, toy_architecture, start_step):
    """Starts the evaluation in a folder of its own, two images a batch."""

    def started(threat, folder="run"):
        spec = {
            "dataset": toy_dataset,
            "architecture": toy_architecture,
            "threat": threat,
            "images": None,
            "batch": 2,
            "kept": 4,
            "seed": 0,
            "shard": {"number": 1, "of": 1},
        }
        inputs = {f"{what}": toy_files[f"test_{what}"] for what in ("images", "labels")}
        inputs |= {f"{what}_card": toy_files["card"] for what in ("images", "labels")}
        inputs |= {"weights": checkpoint["weights"], "weights_card": checkpoint["card"]}
        names = ("generators", "sources")
        inputs |= {n: "" for name in names for n in (name, f"{name}_card")}
        (tmp_path / folder).mkdir(exist_ok=True)
        return start_step(
            "evaluation.attack_defense",
            spec,
            ROLES,
            inputs=inputs,
            folder=tmp_path / folder,
            environment={"PIPELINE_SAVE_SECONDS": "0"},
        )

    return started


def ended(process: subprocess.Popen) -> tuple[int, str]:
    _, told = process.communicate(timeout=120)
    return process.returncode, told


def wait_for_save(folder, process):
    """Until this very process saved its state."""

    def saved():
        found = folder.glob("results/.unfinished/*/state.safetensors")
        return [path.stat().st_mtime_ns for path in found]

    before = saved()
    while saved() == before:
        assert process.poll() is None, ended(process)
        time.sleep(0.005)


def results(folder):
    names = [name for role, name in ROLES.items() if role != "record"]
    return {name: (folder / name).read_bytes() for name in names}


@pytest.mark.parametrize("kind", ["autoattack", "ascent"])
def test_an_evaluation_killed_at_any_moment_ends_in_the_same_bytes(
    started, tmp_path, threat_entry, kind
):
    threat = AUTOATTACK if kind == "autoattack" else threat_entry(100)
    assert ended(started(threat, "alone"))[0] == 0
    for wanted in (signal.SIGKILL, signal.SIGTERM):
        process = started(threat)
        wait_for_save(tmp_path / "run", process)
        process.send_signal(wanted)
        status, told = ended(process)
        if wanted == signal.SIGTERM:
            assert status == INTERRUPTED, told
        assert status != 0, "the job was too short to be stopped"
        assert not (tmp_path / "run" / "card.json").exists()
    status, told = ended(started(threat))
    assert status == 0
    assert "resumed after step" in told
    assert results(tmp_path / "run") == results(tmp_path / "alone")
    assert not list((tmp_path / "run").glob("results/.unfinished/*"))
