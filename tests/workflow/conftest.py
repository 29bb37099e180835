"""One demo is really run for all workflow tests; each works on a copy of it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from workflow_house import House, TinyDemo, tiny_demo


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> House:
    """What `make demo` makes of IJSAT and of the generators, in a copy of the project."""
    house = House.fresh(tmp_path_factory.mktemp("demo") / "house").of_ijsat()
    house.build()
    return house


@pytest.fixture
def house(demo: House, tmp_path: Path) -> House:
    """A copy of the finished demo, to be changed at will."""
    return demo.copy(tmp_path / "house")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> TinyDemo:
    """The tiny demo, finished; not to be changed."""
    return tiny_demo(tmp_path_factory)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], House]:
    """Fresh copies of the project at a size at which a whole run takes a minute."""

    def make() -> House:
        return House.fresh(tmp_path_factory.mktemp("tiny") / "house").tiny()

    return make


@pytest.fixture
def read_only() -> Callable[[Path], AbstractContextManager[Callable[..., Any]]]:
    """A folder in which nothing can be made, and what runs Python in it."""
    command = [sys.executable]
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("root writes everywhere, and no setpriv is here to forbid it")
        powers = "-dac_override,-dac_read_search"
        forbid = [f"--bounding-set={powers}", f"--inh-caps={powers}"]
        command = ["setpriv", *forbid, sys.executable]

    @contextmanager
    def folder(path: Path) -> Iterator[Callable[..., Any]]:
        def run(*words: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [*command, *words],
                cwd=path,
                capture_output=True,
                text=True,
                check=False,
            )

        path.chmod(0o555)
        try:
            yield run
        finally:
            path.chmod(0o755)

    return folder
