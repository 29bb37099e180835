"""The files that name package versions agree with each other."""

import json
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
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


def ranges(requirements: list[str]) -> dict[str, SpecifierSet]:
    every = map(Requirement, requirements)
    return {canonicalize_name(each.name): each.specifier for each in every}


def needed(*extras: str) -> dict[str, SpecifierSet]:
    """What the project asks for: its own needs, and those of some extras."""
    return ranges([*PYPROJECT["dependencies"], *(p for e in extras for p in EXTRAS[e])])


def test_the_lock_file_holds_every_direct_dependency_in_its_range() -> None:
    for name, allowed in needed(*EXTRAS).items():
        assert name in LOCK, name
        assert allowed.contains(LOCK[name]), name


def test_the_package_pins_nothing_itself() -> None:
    """Or it would break the environment of whoever installs it."""
    for name, allowed in needed(*EXTRAS).items():
        assert allowed, f"{name} has no range"
        assert not any(each.operator in ("==", "===") for each in allowed), name


def test_conda_s_environment_is_what_the_rules_need_at_the_locked_versions() -> None:
    environment = yaml.safe_load((PROJECT / "environment.yml").read_text())
    (packages,) = (d["pip"] for d in environment["dependencies"] if isinstance(d, dict))
    pinned = pins(packages)
    assert pinned.keys() == needed("workflow").keys()
    assert pinned.items() <= LOCK.items()


def test_what_is_installed_here_is_what_the_lock_file_says() -> None:
    for name, version in LOCK.items():
        assert metadata.version(name).partition("+")[0] == version, name


def test_conda_s_python_is_one_that_the_project_supports() -> None:
    environment = yaml.safe_load((PROJECT / "environment.yml").read_text())
    (python,) = (d for d in environment["dependencies"] if str(d).startswith("python="))
    minor = int(python.partition("=")[2].split(".")[1])
    assert minor >= int(PYPROJECT["requires-python"].rpartition(".")[2])


def test_a_report_of_pip_becomes_pins_with_digests_and_no_address(
    tmp_path: Path,
) -> None:
    def package(name: str, version: str, digest: str) -> dict[str, Any]:
        archive = {"url": f"https://index.example.org/{name}", "archive_info": {}}
        archive["archive_info"] = {"hashes": {"sha256": digest}} if digest else {}
        return {
            "metadata": {"name": name, "version": version},
            "download_info": archive,
        }

    def written(*packages: dict[str, Any]) -> subprocess.CompletedProcess:
        report = tmp_path / "report.json"
        report.write_text(json.dumps({"install": packages}))
        command = [sys.executable, PROJECT / ".ci/hashes.py", report]
        return subprocess.run(command, capture_output=True, text=True)

    done = written(
        package("torch", "2.1+cpu", "b" * 64), package("Six", "1.0", "a" * 64)
    )
    pinned = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    assert pinned == [
        f"Six==1.0 --hash=sha256:{'a' * 64}",
        f"torch==2.1 --hash=sha256:{'b' * 64}",
    ]
    assert "example.org" not in done.stdout
    assert "tells no SHA-256" in written(package("six", "1.0", "")).stderr


def test_the_hashes_are_of_the_lock_file_s_versions() -> None:
    hashes = PROJECT / "requirements.hashes"
    if not hashes.is_file():
        pytest.skip("requirements.hashes was not written yet (`make hashes`)")
    lines = [line.split(" ")[0] for line in hashes.read_text().splitlines()]
    assert pins(lines) == LOCK


def test_no_lock_file_names_an_index() -> None:
    for name in ("requirements.lock", "requirements.hashes", "environment.yml"):
        if (PROJECT / name).is_file():
            assert "://" not in (PROJECT / name).read_text(), name
