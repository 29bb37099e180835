"""A checkout of the project with Git and DVC: built, published, cloned, pulled."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_house import PROJECT, House

STORE = "robust-papers-store"  # the default remote, beside the checkout
TRACKED = (".gitignore", ".dvcignore", "dvc.yaml", ".dvc/config", ".dvc/.gitignore")


@dataclass
class Checkout(House):
    """A working copy in which results can be published and pulled."""

    @classmethod
    def tracked(cls, root: Path) -> "Checkout":
        """The project at a size at which a whole run takes a minute, committed."""
        checkout = cls(House.fresh(root).tiny().root)
        (root / ".dvc").mkdir()
        for file in TRACKED:
            shutil.copy2(PROJECT / file, root / file)
        checkout.git("init", "--quiet", "--initial-branch", "main")
        checkout.commit("The project")
        return checkout

    def copy(self, root: Path) -> "Checkout":
        return Checkout(super().copy(root).root)

    def clone(self, root: Path) -> "Checkout":
        """What Git brings to another folder; DVC's bytes stay where they are."""
        self.git("clone", "--quiet", str(self.root), str(root))
        return Checkout(root)

    def git(self, *arguments: str) -> str:
        return self._checked("git", *arguments)

    def dvc(self, *arguments: str) -> str:
        return self._checked(sys.executable, "-m", "dvc", *arguments)

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def start(self, step: str, *arguments: str) -> subprocess.Popen:
        """A command of the release floor, as `make` runs it, in a process group."""
        return subprocess.Popen(
            [sys.executable, "-m", "pipeline_steps.cli", step, *arguments],
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def publish(self, *arguments: str) -> subprocess.CompletedProcess:
        return finished(self.start("publish", *arguments))

    def pull(self, *arguments: str) -> subprocess.CompletedProcess:
        return finished(self.start("pull", *arguments))

    def large(self) -> dict[Path, bytes]:
        """Every large file of the workspace with its bytes."""
        folders = [self.root / "data", self.root / "results/demo"]
        found = [path for folder in folders for path in folder.glob("*/**/*")]
        skipped = ("cards", "logs", "papers")
        return {
            path.relative_to(self.root): path.read_bytes()
            for path in found
            if path.is_file() and not any(part in skipped for part in path.parts)
        }

    def objects(self) -> dict[str, Path]:
        """The files of DVC's cache by their digests."""
        return objects_of(self.root / ".dvc/cache")

    def _checked(self, *command: str) -> str:
        done = subprocess.run(
            command, cwd=self.root, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def objects_of(store: Path) -> dict[str, Path]:
    """The files of a cache or a folder remote by their digests."""
    found = (store / "files/md5").glob("??/*")
    return {path.parent.name + path.name: path for path in found}


def finished(process: subprocess.Popen) -> subprocess.CompletedProcess:
    out, error = process.communicate(timeout=180)
    return subprocess.CompletedProcess(process.args, process.returncode, out, error)


def succeeded(done: subprocess.CompletedProcess) -> str:
    """What a command printed, once it is known that all went well."""
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == "", done.stderr
    return done.stdout


def refused(done: subprocess.CompletedProcess) -> str:
    """The one sentence in which a command ended; fails on a traceback."""
    assert done.returncode == 1, done.stdout + done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    return lines[0]


def overwrite(path: Path, content: bytes) -> None:
    """Other bytes at the same place, also where DVC made the file read-only."""
    path.chmod(0o644)
    path.write_bytes(content)


def settings(folder: Path) -> dict[str, Any]:
    """An environment in which nothing of the user's own settings counts."""
    folder.mkdir(exist_ok=True)
    (folder / "gitconfig").write_text(
        "[user]\n\tname = A Researcher\n\temail = researcher@example.org\n"
    )
    return os.environ | {
        "HOME": str(folder),
        "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "DVC_SITE_CACHE_DIR": str(folder / "dvc"),
        "DVC_NO_ANALYTICS": "1",
    }
