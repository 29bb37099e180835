"""A real SLURM on one machine, in one folder: for tests, and to try the profile by hand.

    python tests/cluster/slurm_house.py up /tmp/slurm      # start, or mend what died
    . /tmp/slurm/env.sh                                    # sbatch, squeue, snakemake ...
    python tests/cluster/slurm_house.py down /tmp/slurm

Partition `main` has two nodes with a pretended GPU each; `spare` has two nodes without,
`lone` one, and `low` one that jobs of `urgent` take from others. It needs Debian's
packages munge, slurmctld, slurmd, slurm-client, slurmdbd, mariadb-server-core and
mariadb-client-core, writes nothing outside its folder, and ends nothing that isn't its own.
"""

import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

HERE = Path(__file__).parent
NODES = ("n1", "n2", "n3", "n4", "n5", "n6")
WITH_GPU = ("n1", "n2")
DAEMONS = ("munged", "mariadbd", "slurmdbd", "slurmctld", *NODES)
NEEDED = {
    **{"munged": "munge", "sbatch": "slurm-client"},
    **{name: name for name in ("slurmctld", "slurmd", "slurmdbd")},
    **{"mariadbd": "mariadb-server-core", "mariadb": "mariadb-client-core"},
}
CLIENTS = ("sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo", "sacct")
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
NODE = (
    "NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=4 "
    "RealMemory=16000{gres} State=UNKNOWN\n"
)


def missing() -> list[str]:
    """The packages that this machine lacks."""
    return [p for tool, p in NEEDED.items() if shutil.which(tool, path=PATH) is None]


def wait_until(true: Callable[[], object], what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} after {seconds:.0f} seconds not yet")
        time.sleep(0.2)


@dataclass
class Cluster:
    """The daemons whose files lie in one folder."""

    state: Path

    @property
    def env(self) -> dict[str, str]:
        """What lets SLURM's clients find this cluster, also inside its jobs."""
        outside = {k: v for k, v in os.environ.items() if not k.startswith("SLURM")}
        path = f"{self.state}/bin:{PATH}"
        return {**outside, "PATH": path, "SLURM_CONF": f"{self.state}/slurm.conf"}

    def ask(self, *command: str) -> str:
        """What a client of SLURM says."""
        done = subprocess.run(command, env=self.env, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def up(self) -> "Cluster":
        if absent := missing():
            sys.exit(f"install these packages first: {' '.join(absent)}")
        if not any(self.pid(name) for name in DAEMONS):
            self._configure()
        for name in DAEMONS:
            self.start(name)
        wait_until(self._is_ready, "all nodes idle")
        return self

    def down(self) -> None:
        """Jobs first, then the daemons, then what outlived them."""
        if self.pid("slurmctld"):
            self.ask("scancel", "--user", getpass.getuser())
            jobs = ("squeue", "-h", "-t", "PD,R,CG")
            wait_until(lambda: not self.ask(*jobs), "all jobs gone", 30)
        for name in reversed(DAEMONS):
            self.end(name)
        for pid in self._own("slurmstepd"):
            os.kill(pid, signal.SIGKILL)

    def start(self, name: str) -> None:
        """Start a daemon or a node, unless it is alive."""
        if self.pid(name):
            return
        with (self.state / "log" / f"{name}.start").open("a") as log:
            started = subprocess.Popen(
                self._command(name),
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._pid_file(name).write_text(str(started.pid))
        answers = {
            "munged": (self.state / "run/munge.sock").exists,
            "mariadbd": self._database_is_made,
            "slurmdbd": lambda: self._says("sacctmgr", "list", "cluster"),
            "slurmctld": lambda: " is UP" in self._says("scontrol", "ping"),
        }
        if name in answers:
            wait_until(answers[name], f"{name} answers")

    def end(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        """End a daemon or a node, and see it gone."""
        pid = self.pid(name)
        if pid:
            os.kill(pid, how)
            wait_until(lambda: not _is_program(pid, _program(name)), f"{name}'s end")

    def kill(self, name: str) -> None:
        self.end(name, signal.SIGKILL)

    def pid(self, name: str) -> int | None:
        """The daemon that the pid file names, if it lives and is of this folder."""
        file = self._pid_file(name)
        pid = int(file.read_text().strip() or 0) if file.is_file() else 0
        return pid if pid and pid in self._own(_program(name)) else None

    def _pid_file(self, name: str) -> Path:
        return self.state / "run" / f"{name}.pid"

    def _own(self, program: str) -> Iterator[int]:
        """The processes of a program that were started for this folder."""
        mark = f"SLURM_CONF={self.state}/slurm.conf".encode()
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and _is_program(int(folder.name), program):
                try:
                    if mark in (folder / "environ").read_bytes().split(b"\0"):
                        yield int(folder.name)
                except OSError:
                    continue

    def _command(self, name: str) -> list[str]:
        run, log = self.state / "run", self.state / "log"
        if name == "munged":
            return [
                *("munged", "--foreground", "--force", "--num-threads=4"),
                f"--key-file={self.state}/munge.key",
                f"--socket={run}/munge.sock",
                f"--pid-file={run}/own-munged.pid",
                f"--log-file={log}/munged.log",
                f"--seed-file={run}/munged.seed",
            ]
        if name == "mariadbd":
            return [
                *("mariadbd", "--no-defaults", f"--user={getpass.getuser()}"),
                f"--datadir={self.state}/db",
                "--bind-address=127.0.0.1",
                f"--port={self._ports()['sql']}",
                f"--socket={run}/mariadb.sock",
                f"--pid-file={run}/own-mariadbd.pid",
                f"--log-error={log}/mariadbd.log",
                *("--skip-name-resolve", "--skip-log-bin", "--performance-schema=OFF"),
                *("--innodb-buffer-pool-size=64M", "--innodb-lock-wait-timeout=900"),
            ]
        if name in NODES:
            (self.state / "spool" / name).mkdir(parents=True, exist_ok=True)
            return ["slurmd", "-D", "-N", name]
        return [name, "-D"]

    def _ports(self) -> dict[str, int]:
        names = ("ctld", "dbd", "sql", *NODES)
        first = int((self.state / "ports").read_text())
        return {name: first + number for number, name in enumerate(names)}

    def _configure(self) -> None:
        for folder in ("run", "log", "ctld", "spool", "gpu", "bin"):
            (self.state / folder).mkdir(parents=True, exist_ok=True)
            (self.state / folder).chmod(0o755)
        (self.state / "ports").write_text(str(_free_ports(self.state)))
        told = {
            **self._ports(),
            "state": self.state,
            "host": socket.gethostname().split(".")[0],
            "user": getpass.getuser(),
            "munge": f"{self.state}/run/munge.sock",
            "password": secrets.token_hex(8),
        }
        gres, conf = (
            "AutoDetect=off\n",
            (HERE / "slurm.conf").read_text().format(**told),
        )
        for node in NODES:
            more = " Gres=gpu:1" if node in WITH_GPU else ""
            conf += NODE.format(**told, node=node, port=told[node], gres=more)
        for node in WITH_GPU:  # only a character device is taken for a GPU
            device = self.state / "gpu" / node
            if not device.is_symlink():
                device.symlink_to("/dev/null")
            gres += f"NodeName={node} Name=gpu File={device}\n"
        self._write("slurm.conf", conf)
        self._write("gres.conf", gres)
        self._write("cgroup.conf", "CgroupAutomount=no\n")
        accounting = (HERE / "slurmdbd.conf").read_text().format(**told)
        self._write("slurmdbd.conf", accounting, 0o600)
        self._write("munge.key", secrets.token_hex(512), 0o600)
        self._write(
            "env.sh",
            f"export SLURM_CONF={self.state}/slurm.conf PATH={self.state}/bin:$PATH\n",
        )
        # The executor strips SLURM_CONF from a job's environment; these put it back.
        for client in CLIENTS:
            found = shutil.which(client, path=PATH)
            conf = f"export SLURM_CONF=${{SLURM_CONF:-{self.state}/slurm.conf}}"
            self._write(
                f"bin/{client}", f'#!/bin/sh\n{conf}\nexec {found} "$@"\n', 0o755
            )
        if not (self.state / "db/mysql").is_dir():
            subprocess.run(
                [
                    *("mariadb-install-db", "--no-defaults", "--skip-test-db"),
                    f"--datadir={self.state}/db",
                    f"--user={getpass.getuser()}",
                    "--auth-root-authentication-method=normal",
                ],
                check=True,
                capture_output=True,
            )

    def _write(self, name: str, text: str, mode: int = 0o644) -> None:
        (self.state / name).write_text(text)
        (self.state / name).chmod(mode)

    def _database_is_made(self) -> bool:
        lines = (self.state / "slurmdbd.conf").read_text().splitlines()
        password = dict(line.split("=", 1) for line in lines)["StoragePass"]
        user = "slurm@'127.0.0.1'"
        orders = (
            "create database if not exists slurm_acct;"
            f"create user if not exists {user};"
            f"alter user {user} identified by '{password}';"
            f"grant all on slurm_acct.* to {user};"
        )
        client = ["mariadb", "--no-defaults", f"--socket={self.state}/run/mariadb.sock"]
        done = subprocess.run([*client, "-uroot", "-e", orders], capture_output=True)
        return done.returncode == 0

    def _says(self, *command: str) -> str:
        try:
            return self.ask(*command)
        except RuntimeError:
            return ""

    def _is_ready(self) -> bool:
        states = self._says("sinfo", "-h", "-N", "-o", "%N %T").split("\n")
        usable = {s.split()[0] for s in states if s.endswith(("idle", "mixed"))}
        return usable == set(NODES)


def _program(name: str) -> str:
    return "slurmd" if name in NODES else name


def _is_program(pid: int, program: str) -> bool:
    """Whether a process lives and runs this program; one that ended has none."""
    try:
        running = Path(os.readlink(f"/proc/{pid}/exe")).name.split()[0]
    except OSError:
        return False
    return running in (program, f"{program}-wlm")  # as Debian names some


def _free_ports(state: Path) -> int:
    """The first of a row of free ports, below those that the system deals out."""
    start = 20000 + crc32(str(state).encode()) % 10000
    for first in range(start, start + 2000, 10):
        if all(_is_free(port) for port in range(first, first + 10)):
            return first
    raise RuntimeError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("up", "down"):
        sys.exit(__doc__)
    cluster = Cluster(Path(sys.argv[2]).resolve())
    {"up": cluster.up, "down": cluster.down}[sys.argv[1]]()
