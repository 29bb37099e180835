"""What a stranger joins by: forms, workflows of GitHub, container and catalog.

None of these services is called; what they read is compared with the project.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from workflow_house import PROJECT

from pipeline_steps.config.load import scales

GITHUB = PROJECT / ".github"
FORMS = sorted(
    set(GITHUB.glob("ISSUE_TEMPLATE/*.yml")) - {GITHUB / "ISSUE_TEMPLATE/config.yml"}
)
WORKFLOWS = sorted(GITHUB.glob("workflows/*.yml"))
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
CITATION = yaml.safe_load((PROJECT / "CITATION.cff").read_text())
DOCKERFILE = (PROJECT / "Dockerfile").read_text()
# Of an issue form: what GitHub knows, and what it asks of each.
FIELDS = {
    "markdown": {"value"},
    "input": {"label"},
    "textarea": {"label"},
    "dropdown": {"label", "options"},
    "checkboxes": {"label", "options"},
}


def loaded(path: Path) -> Any:
    """A file's YAML with all values as text; else the key `on` would be true."""
    return yaml.load(path.read_text(), Loader=yaml.BaseLoader)


def commands(workflow: Path) -> list[str]:
    """What a workflow's steps run, in their order."""
    steps = (s for job in loaded(workflow)["jobs"].values() for s in job["steps"])
    return [step["run"] for step in steps if "run" in step]


def targets() -> set[str]:
    """The Makefile's targets that people are told of."""
    return set(re.findall(r"^([a-z]+):.*##", (PROJECT / "Makefile").read_text(), re.M))


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_a_form_has_what_github_asks_of_it(form: Path) -> None:
    content = loaded(form)
    assert content["name"] and content["description"]
    body = content["body"]
    assert any(field["type"] != "markdown" for field in body)
    for field in body:
        attributes = field["attributes"]
        assert FIELDS[field["type"]] <= attributes.keys()
        options = attributes.get("options", ["one"])
        texts = [o if isinstance(o, str) else o["label"] for o in options]
        assert texts and len(texts) == len(set(texts))
    ids = [field["id"] for field in body if field["type"] != "markdown"]
    assert len(ids) == len(set(ids))


def test_the_form_of_a_number_knows_the_papers_and_scales() -> None:
    fields = {f["id"]: f for f in loaded(GITHUB / "ISSUE_TEMPLATE/number.yml")["body"]}
    offered = fields["scale"]["attributes"]["options"]
    assert set(offered) - {"not computed", "another one"} <= set(scales())
    papers = {path.stem for path in (PROJECT / "workflow/config/papers").glob("*.yaml")}
    named = {paper.lower() for paper in fields["paper"]["attributes"]["options"]}
    assert papers <= named


def test_the_checks_run_what_ci_runs() -> None:
    checks = GITHUB / "workflows/checks.yml"
    assert ".ci/run" in commands(checks)
    assert (PROJECT / ".ci/run").stat().st_mode & 0o111
    assert {"push", "pull_request"} <= loaded(checks)["on"].keys()


def test_the_rehearsal_runs_every_night() -> None:
    rehearsal = GITHUB / "workflows/rehearsal.yml"
    assert "make rehearsal" in commands(rehearsal)
    (night,) = loaded(rehearsal)["on"]["schedule"]
    minute, hour, *days = night["cron"].split()
    assert minute.isdigit() and hour.isdigit() and days == ["*"] * 3


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_only_read(workflow: Path) -> None:
    assert loaded(workflow)["permissions"] == {"contents": "read"}


def test_images_have_a_python_that_the_project_supports() -> None:
    images = re.findall(r"^FROM (\S+)", DOCKERFILE, re.M)
    jobs = [job for path in WORKFLOWS for job in loaded(path)["jobs"].values()]
    images += [job["container"] for job in jobs]
    environment = yaml.safe_load((PROJECT / "environment.yml").read_text())
    assert len(images) == 1 + len(jobs)
    for image in images:
        version = re.fullmatch(r"python:(\d+\.\d+)(-[a-z]+)+", image).group(1)
        assert f"python={version}" in environment["dependencies"]


def test_the_container_installs_the_lock_file_and_runs_a_target() -> None:
    assert "--requirement requirements.lock" in DOCKERFILE
    (command,) = re.findall(r'^CMD \["make", "(\w+)"\]', DOCKERFILE, re.M)
    assert {command, *re.findall(r"^RUN make (\w+)", DOCKERFILE, re.M)} <= targets()


@pytest.mark.parametrize(
    "path", [PROJECT / "Dockerfile", *WORKFLOWS], ids=lambda p: p.stem
)
def test_no_server_is_named(path: Path) -> None:
    assert not re.search(r"https?://|\.(io|org|com)/", path.read_text())


def test_the_catalog_is_told_what_the_workflow_has() -> None:
    usage = yaml.safe_load((PROJECT / ".snakemake-workflow-catalog.yml").read_text())[
        "usage"
    ]
    deployment = usage["software-stack-deployment"]
    rules = "".join(p.read_text() for p in (PROJECT / "workflow/rules").glob("*.smk"))
    assert deployment["conda"] == ("conda:" in rules)
    assert deployment["apptainer"] == ("container:" in rules)
    snakefile = (PROJECT / "Snakefile").read_text()
    assert usage["report"] == bool(re.search(r"^report:", snakefile, re.M))
    flags = usage["mandatory-flags"]
    assert re.fullmatch(r"--config scale=(\w+)", flags["flags"]).group(1) in scales()
    sizes = set(re.findall(r"`(\w+)`", flags["desc"]))
    assert sizes and sizes <= set(scales())


def test_what_people_are_told_to_make_can_be_made() -> None:
    pages = [
        PROJECT / "CONTRIBUTING.md",
        PROJECT / "CHANGELOG.md",
        GITHUB / "pull_request_template.md",
        *FORMS,
    ]
    targets_named = {
        m for page in pages for m in re.findall(r"`make (\w+)", page.read_text())
    }
    assert targets_named and targets_named <= targets()


def test_the_project_has_one_version_and_one_address() -> None:
    assert CITATION["version"] == PYPROJECT["version"]
    addresses = PYPROJECT.get("urls", {})
    assert CITATION.get("repository-code") == addresses.get("Repository")
    latest = re.search(
        r"^## (\S+)", (PROJECT / "CHANGELOG.md").read_text(), re.M
    ).group(1)
    assert latest in ("Unreleased", PYPROJECT["version"])
