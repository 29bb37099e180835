"""One demo is really run for all workflow tests; each works on a copy of it."""

from collections.abc import Callable
from pathlib import Path

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
