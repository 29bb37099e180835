"""A copy of the project whose jobs run on the tests' own SLURM."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from slurm_house import Cluster, wait_until
from workflow_house import DEMO, House

FIELDS = "JobIDRaw,State,Start,End,NodeList,AllocTRES,Comment,WorkDir"
WEIGHTS = "results/demo/checkpoints/defenses/digits/at.safetensors"
LOG = "results/demo/logs/train_defense/digits/at.log"
TRAINING = f"pipeline_steps {WEIGHTS}"
PAGES = ("index.html", "runs.csv", "runs.html", "summary.json")
OF_TIME_AND_MACHINE = (".record.json", *PAGES)


# What every job finds: it saves often, and the GPU that it is granted is none.
IN_JOBS = {"PIPELINE_SAVE_SECONDS": "0.3", "PIPELINE_CPU": "1"}


@dataclass(frozen=True)
class Execution:
    """One time that SLURM ran a job."""

    number: str
    state: str
    start: str
    end: str
    nodes: str
    granted: str
    what: str


@dataclass
class ClusterHouse(House):
    """A working copy, and the cluster that works for it."""

    cluster: Cluster
    started: list[subprocess.Popen] = field(default_factory=list)

    @classmethod
    def beside(cls, base: House, root: Path, cluster: Cluster) -> "ClusterHouse":
        return cls(base.copy(root).root, cluster)

    def asks_for(self, partition: str) -> None:
        """The profile as a user edits it, and with sooner looks at the jobs."""
        profile = "slurm/config.yaml"
        self.edit(profile, "# slurm_partition: .*", f"slurm_partition: {partition}")
        self.edit(profile, "mem_mb: .*", "mem_mb: 1000")
        self.edit(profile, "scale=paper", "scale=demo")
        self.edit(profile, "latency-wait: .*", "latency-wait: 5")
        self.append(profile, "slurm-init-seconds-before-status-checks: 2\n")

    def start(self, *arguments: str, module: str = "snakemake") -> subprocess.Popen:
        """Snakemake, or the launcher, whose words go into a file."""
        with (self.root / "said").open("a") as said:
            process = subprocess.Popen(
                # a shell lets what runs in its background ignore SIGINT
                ["env", "--default-signal", sys.executable, "-m", module, *arguments],
                cwd=self.root,
                stdout=said,
                stderr=said,
                env=self.cluster.env | IN_JOBS,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def end(self) -> None:
        """Ends what a failed test left running."""
        for process in self.started:
            process.kill()
            process.wait()

    @property
    def said(self) -> str:
        return (self.root / "said").read_text()

    def launch(self, *arguments: str) -> subprocess.Popen:
        return self.start("cluster", *arguments, module="pipeline_steps.cli")

    def executions(self) -> list[Execution]:
        """Every execution of this copy's jobs, requeued ones counted each time."""
        asked = ("sacct", "-a", "-X", "-n", "-P", "--duplicates", "-o", FIELDS)
        asked += (
            "--starttime",
            "now-1days",
        )  # else jobs of before midnight are left out
        rows = (line.split("|") for line in self.cluster.ask(*asked).splitlines())
        return [Execution(*row[:-1]) for row in rows if row[-1] == str(self.root)]

    def alive(self) -> list[str]:
        """The numbers of this copy's jobs that run."""
        told = self.cluster.ask("squeue", "-h", "-t", "R", "-o", "%A %Z")
        rows = (line.split(" ", 1) for line in told.splitlines())
        return [number for number, where in rows if where == str(self.root)]

    def states(self) -> list[str]:
        """How the executions ended; the accounting hears of it a little later."""

        def states() -> list[str]:
            return [job.state.split()[0] for job in self.executions()]

        wait_until(lambda: not {"PENDING", "RUNNING"} & {*states()}, "last state")
        return states()

    def ends_well(self, process: subprocess.Popen) -> None:
        assert process.wait(400) == 0, self.said[-3000:]

    # ---- The training of one network, which faults befall ---------------------------

    def forget_training(self) -> None:
        """As if it never was; on the cluster it may run on any node."""
        for path in self.root.glob("results/demo/*/defenses/digits/at.*"):
            path.unlink()
        (self.root / LOG).unlink()
        self.configure(DEMO, "resources.train_defense.gpus", 0)

    def train(self) -> subprocess.Popen:
        return self.start("--profile", "slurm", WEIGHTS)

    def log(self) -> str:
        """What the last execution of the training said."""
        path = self.root / LOG
        return path.read_text() if path.exists() else ""

    def trainings(self) -> list[int]:
        """The processes that train in this checkout."""
        found = subprocess.run(
            ["pgrep", "-f", TRAINING], capture_output=True, text=True
        )
        return [pid for pid in map(int, found.stdout.split()) if self._trains(pid)]

    def _trains(self, pid: int) -> bool:
        try:
            words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            where = os.readlink(f"/proc/{pid}/cwd")
        except OSError:
            return False
        return words[1:4] == ["-m", *TRAINING.split()] and where == str(self.root)

    def amid_training(self, hold: bool = False) -> str:
        """Waits until the training has saved its state; the number of its job.

        On hold it can't end before a slow machine does to it what it should suffer;
        SLURM lets it go on when it asks it to end.
        """

        def has_saved() -> bool:
            return any(self.root.glob("results/.unfinished/*/state.safetensors"))

        wait_until(has_saved, "training", 200)
        if hold:
            for pid in self.trainings():
                os.kill(pid, signal.SIGSTOP)
        return self.alive()[0]

    def start_at_once(self, number: str) -> None:
        """Spares a requeued job the two minutes that SLURM would let it wait."""

        def pends() -> bool:
            told = self.cluster.ask("scontrol", "show", "job", number)
            return "JobState=PENDING" in told

        wait_until(pends, "requeued job", 120)
        self.cluster.ask("scontrol", "update", f"jobid={number}", "StartTime=now")


def results_of(house: House) -> dict[str, bytes]:
    """The bytes of all results and cards, without what tells of time and machine."""
    folder = house.root / "results" / "demo"
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and "logs" not in path.parts
        and not path.name.endswith(OF_TIME_AND_MACHINE)
    }
