"""A training step that is killed and started again leaves the bytes of one left alone."""

import signal
import subprocess
import time

import pytest

STEP = "defenses.train_defense"
ROLES = {
    "weights": "weights.safetensors",
    "snapshots": "snapshots.safetensors",
    "history": "history.csv",
    "card": "card.json",
    "record": "record.json",
}


@pytest.fixture
def started(tmp_path, toy_files, spec_of, start_step):
    """Starts the training in a folder of its own, saving its state often."""

    def started(folder="run", **schedule):
        schedule = {"epochs": 60, "batch": 8, **schedule}
        spec = spec_of("at", **schedule).model_dump(mode="json")
        inputs = {
            "images": toy_files["train_images"],
            "labels": toy_files["train_labels"],
        }
        inputs |= {"images_card": toy_files["card"], "labels_card": toy_files["card"]}
        inputs |= {"generators": "", "generators_card": ""}
        (tmp_path / folder).mkdir(exist_ok=True)
        return start_step(
            STEP,
            spec,
            ROLES,
            inputs=inputs,
            folder=tmp_path / folder,
            environment={"PIPELINE_SAVE_SECONDS": "0.05"},
        )

    return started


def ended(process: subprocess.Popen) -> tuple[int, str]:
    _, told = process.communicate(timeout=120)
    return process.returncode, told


def state_of(folder):
    """When the state was saved last; nothing where it never was."""
    found = folder.glob("results/.unfinished/*/state.safetensors")
    return [path.stat().st_mtime_ns for path in found]


def wait_for_save(folder, process, later=0.0):
    """Until this very process saved its state, and then so many seconds more."""
    before = state_of(folder)
    while state_of(folder) == before:
        assert process.poll() is None, ended(process)
        time.sleep(0.005)
    time.sleep(later)


def results(folder):
    names = [name for role, name in ROLES.items() if role != "record"]
    return {name: (folder / name).read_bytes() for name in names}


def whole_or_absent(folder):
    found = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    return found <= {"results"}


def test_a_training_stopped_at_any_moment_ends_in_the_same_bytes(started, tmp_path):
    assert ended(started("alone"))[0] == 0
    moments = [(signal.SIGKILL, 0.0), (signal.SIGTERM, 0.07), (signal.SIGKILL, 0.19)]
    for number, later in moments:
        process = started("stopped")
        wait_for_save(tmp_path / "stopped", process, later)
        process.send_signal(number)
        status, told = ended(process)
        if number == signal.SIGTERM:
            assert status == 75
            assert "SIGTERM: saved after step" in told
            assert "Traceback" not in told
        else:
            assert status == -signal.SIGKILL
        assert whole_or_absent(tmp_path / "stopped")
    status, told = ended(started("stopped"))
    assert status == 0
    assert "resumed after step" in told
    assert results(tmp_path / "stopped") == results(tmp_path / "alone")
    assert state_of(tmp_path / "stopped") == []


def test_a_training_with_other_settings_starts_anew(started, tmp_path):
    process = started("run")
    wait_for_save(tmp_path / "run", process)
    process.kill()
    ended(process)
    status, told = ended(started("run", epochs=1))
    assert status == 0
    assert "resumed" not in told


def test_a_training_that_loses_its_numbers_leaves_nothing(
    started, tmp_path, a_sentence
):
    status, told = ended(started("run", learning_rate=1e30))
    assert status == 1
    assert "lower the learning rate" in a_sentence(told)
    assert whole_or_absent(tmp_path / "run")
