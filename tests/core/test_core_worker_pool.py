"""A job in a worker of the pool computes and ends as it would by itself."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline_steps.core import worker_pool
from pipeline_steps.core.digest import code
from pipeline_steps.core.job_file import JobFile, place_of
from pipeline_steps.core.registry import ROOT
from tests.job_words import job_words

STARTER = """\
import os, sys
from pathlib import Path
from pipeline_steps.core.worker_pool import ADDRESS, start_pool
start_pool(Path(sys.argv[1]))
print(os.environ[ADDRESS], flush=True)
sys.stdin.read()
"""
DIGEST = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"
FETCH = {
    "dataset": {"name": "digits", "classes": 10, "size": 16, "channels": 3},
    "source": {"source": "digits", "digest": DIGEST},
}


def hear_ctrl_c() -> None:
    """What a shell starts in the background ignores it, tests and their jobs too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass
class Pool:
    """A pool by where jobs find it, and the process that started it."""

    address: Path
    starter: subprocess.Popen

    @property
    def work_done(self) -> int:
        """The processor time of all workers that have ended."""
        children = Path(f"/proc/{self.starter.pid}/task/{self.starter.pid}/children")
        status = Path(f"/proc/{children.read_text().split()[0]}/stat").read_text()
        return sum(map(int, status.rpartition(") ")[2].split()[13:15]))


@contextmanager
def pool_of(root: Path):
    """A pool, by the process that started it, and where jobs find it."""
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, str(root)],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,
    ) as starter:
        assert starter.stdout is not None
        address = Path(starter.stdout.readline().strip())
        wait_until(address.exists)
        yield Pool(address, starter)
        if starter.poll() is None:
            starter.stdin.close()
    wait_until(lambda: not address.parent.exists())


def wait_until(holds, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(scope="module")
def pool():
    with pool_of(ROOT) as pool:
        yield pool


@pytest.fixture
def address(pool):
    return pool.address


def start(folder, step, spec, files, address=None, root=ROOT, **environment):
    """A job as a rule starts it, in a folder of its own."""
    folder.mkdir(exist_ok=True)
    (described,) = job_words(step, spec, *files, code=code(step, spec).digest)
    job = JobFile.read(Path(described))
    result = next(iter(job.outputs.values()))
    job.write(folder / place_of(result))
    command = [sys.executable, "-m", "pipeline_steps", result]
    command += ["--spec", job.spec_digest, "--code", str(job.code)]
    settings = {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", **environment}
    settings |= {worker_pool.ADDRESS: str(address)} if address else {}
    return subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,
    )


def fetch(folder, address=None, root=ROOT, spec=FETCH, **environment):
    """The status of a small job that has a card, and what it said."""
    outputs = ["archive=archive", "card=card.json", "record=record.json"]
    step = "datasets.fetch_dataset"
    job = start(folder, step, spec, [outputs], address, root, **environment)
    _, said = job.communicate(timeout=120)
    return job.returncode, said


def test_a_worker_makes_the_same_bytes(pool, tmp_path):
    assert fetch(tmp_path / "alone") == (0, "")
    before = pool.work_done
    assert fetch(tmp_path / "worker", pool.address) == (0, "")
    assert pool.work_done > before
    for name in ("archive", "card.json"):
        alone, worker = (tmp_path / who / name for who in ("alone", "worker"))
        assert alone.read_bytes() == worker.read_bytes()


def test_a_failure_is_told_as_by_the_job_itself(address, tmp_path, a_sentence):
    wrong = FETCH | {"source": {"source": "digits", "digest": "0" * 64}}
    alone, worker = fetch(tmp_path, spec=wrong), fetch(tmp_path, address, spec=wrong)
    assert alone[0] == worker[0] == 1
    sentences = [
        a_sentence(said).partition("error: ")[2] for _, said in (alone, worker)
    ]
    assert sentences[0] == sentences[1]


def test_a_job_with_more_threads_runs_by_itself(pool, tmp_path):
    before = pool.work_done
    assert fetch(tmp_path, pool.address, OMP_NUM_THREADS="2") == (0, "")
    assert pool.work_done == before


def test_without_the_pool_a_job_runs_by_itself(tmp_path):
    assert fetch(tmp_path, tmp_path / "gone") == (0, "")


@pytest.fixture
def long_job(tmp_path, toy_files, toy_dataset, toy_architecture, address):
    """A training that lasts, in a worker; its state is saved often."""
    spec = {
        "name": "normal",
        "dataset": toy_dataset,
        "augmentation": {},
        "architecture": toy_architecture,
        "recipe": {"recipe": "normal"},
        "schedule": {"epochs": 4000, "batch": 8, "learning_rate": 0.1},
        "snapshots": 0,
        "seed": 0,
    }
    card = toy_files["card"]
    inputs = (
        *(f"images={toy_files['train_images']}", f"images_card={card}"),
        *(f"labels={toy_files['train_labels']}", f"labels_card={card}"),
    )
    roles = ("weights", "snapshots", "history", "card", "record")
    outputs = (f"{role}={role}.out" for role in roles)
    job = start(
        tmp_path,
        "defenses.train_defense",
        spec,
        [[*outputs], inputs],
        address,
        PIPELINE_SAVE_SECONDS="0.05",
    )
    wait_until(lambda: list(tmp_path.glob("results/.unfinished/*/state.safetensors")))
    return job


def worker_of(job):
    """The process that does the work of a job in the pool."""
    for status in Path("/proc").glob("[0-9]*/environ"):
        try:
            held = status.parent.joinpath("cwd").resolve()
            parent = status.parent.joinpath("stat").read_text().split()[3]
        except OSError:
            continue
        if (
            held == Path(f"/proc/{job.pid}/cwd").resolve()
            and int(parent) != os.getpid()
        ):
            return int(status.parent.name)
    raise AssertionError("no worker is in the folder of this job")


def alive(pid):
    return Path(f"/proc/{pid}").exists()


def test_what_asks_a_job_to_stop_reaches_its_worker(long_job):
    long_job.send_signal(signal.SIGTERM)
    _, said = long_job.communicate(timeout=60)
    assert long_job.returncode == 75
    assert "SIGTERM: saved after step" in said


def test_ctrl_c_ends_a_job_as_it_would_by_itself(long_job):
    long_job.send_signal(signal.SIGINT)
    long_job.communicate(timeout=60)
    assert long_job.returncode == -signal.SIGINT


def test_the_worker_of_a_killed_job_is_killed(long_job):
    worker = worker_of(long_job)
    long_job.kill()
    long_job.communicate(timeout=60)
    wait_until(lambda: not alive(worker))


def test_a_killed_worker_is_a_killed_job(long_job):
    os.kill(worker_of(long_job), signal.SIGKILL)
    long_job.communicate(timeout=60)
    assert long_job.returncode == -signal.SIGKILL


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_pool_ends_with_its_starter(how):
    with pool_of(ROOT) as pool:
        pool.starter.send_signal(how)


def test_planned_code_is_the_code_that_a_worker_runs(tmp_path):
    root = tmp_path / "copy"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "pipeline_steps", root / "pipeline_steps", ignore=ignored)
    shutil.copy2(ROOT / "requirements.lock", root)
    step = root / "pipeline_steps/datasets/fetch_dataset.py"
    with pool_of(root) as pool:
        before = code("datasets.fetch_dataset", FETCH, root).digest
        step.write_text(step.read_text().replace("return {}", 'return {"edited": 1}'))
        status, said = fetch(
            tmp_path / "old", pool.address, root, more=["--code", before]
        )
        assert status == 1
        assert "changed after this job was planned" in said
        assert fetch(tmp_path / "new", pool.address, root) == (0, "")
    card = json.loads((tmp_path / "new" / "card.json").read_text())
    assert card["metrics"] == {"edited": 1}
    assert card["code"]["digest"] != before
