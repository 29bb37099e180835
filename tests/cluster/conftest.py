"""One SLURM for all tests that ask for it, and the results of an undisturbed local run."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from cluster_house import ClusterHouse
from slurm_house import Cluster, missing
from workflow_house import DEMO, House, tiny_demo

GPU_STEPS = (
    "train_flow",
    "project_dataset",
    "train_defense",
    "attack_defense",
    "attack_snapshots",
)
GRANTED = {"threads": 1, "memory_mb": 1500, "minutes": 10, "gpus": 1}
LONG = {
    "epochs": 5,
    "batch": 64,
    "learning_rate": 0.1,
    "momentum": 0.9,
    "weight_decay": 2.0e-4,
    "drops": [],
}


@pytest.fixture(scope="session")
def start_cluster(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[], Cluster]]:
    """Starts a SLURM of its own; all are ended with the session."""
    if absent := missing():
        pytest.skip(f"a SLURM to test with needs the packages {' '.join(absent)}")
    started = []

    def start() -> Cluster:
        started.append(Cluster(tmp_path_factory.mktemp("slurm")))
        return started[-1].up()

    yield start
    for cluster in started:
        cluster.down()


@pytest.fixture(scope="session")
def cluster(start_cluster: Callable[[], Cluster]) -> Cluster:
    return start_cluster()


@pytest.fixture(scope="session")
def base(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> House:
    """The demo, small, run on this machine; its training of AT lasts some seconds."""
    house = tiny_demo(tmp_path_factory).copy(tmp_path_factory.mktemp("base") / "house")
    house.configure("workflow/config/defenses.yaml", "schedules.long", LONG)
    house.configure(DEMO, "overrides.defenses.defenses.at.schedule", "long")
    for step in GPU_STEPS:
        house.configure(DEMO, f"resources.{step}", GRANTED)
    house.build("--config", "cpu=yes")
    return house


@pytest.fixture(scope="session")
def copy(
    base: House, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., ClusterHouse]:
    """A copy of the finished demo that works on a cluster."""

    def make(cluster: Cluster, partition: str = "main") -> ClusterHouse:
        root = tmp_path_factory.mktemp("copy") / "house"
        house = ClusterHouse.beside(base, root, cluster)
        house.asks_for(partition)
        return house

    return make
