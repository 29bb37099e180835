"""The files that name package versions agree with each other."""

import re
import tomllib

import yaml
from workflow_house import PROJECT


def pins(lines: list[str]) -> dict[str, str]:
    pairs = (line.split("==") for line in lines if "==" in line)
    return {
        re.sub(r"[-_.]+", "-", name.split("[")[0]).lower(): version.strip()
        for name, version in pairs
    }


LOCK = pins((PROJECT / "requirements.lock").read_text().splitlines())
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
EXTRAS = PYPROJECT["optional-dependencies"]


def test_the_lock_file_holds_every_direct_dependency() -> None:
    direct = pins(
        [*PYPROJECT["dependencies"], *(p for extra in EXTRAS.values() for p in extra)]
    )
    assert direct.items() <= LOCK.items()


def test_conda_s_environment_is_what_the_rules_need_at_the_locked_versions() -> None:
    environment = yaml.safe_load((PROJECT / "environment.yml").read_text())
    (packages,) = (d["pip"] for d in environment["dependencies"] if isinstance(d, dict))
    needed = pins(PYPROJECT["dependencies"] + EXTRAS["workflow"])
    assert pins(packages) == needed
    assert needed.items() <= LOCK.items()


def test_conda_s_python_is_one_that_the_project_supports() -> None:
    environment = yaml.safe_load((PROJECT / "environment.yml").read_text())
    (python,) = (d for d in environment["dependencies"] if str(d).startswith("python="))
    minor = int(python.partition("=")[2].split(".")[1])
    assert minor >= int(PYPROJECT["requires-python"].rpartition(".")[2])
