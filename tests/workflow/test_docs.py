"""What the docs tell people to do works as it is written there."""

import re
from pathlib import Path

import pytest
from workflow_house import PROJECT, TinyDemo

pytestmark = pytest.mark.xdist_group("workflow")


def example_of(heading: str) -> tuple[str, str, str]:
    """A section's file, what it holds, and its entry in the config."""
    page = (PROJECT / "docs/explanation/architecture.md").read_text()
    section = page.split(heading)[1].split("### ")[0]
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL).group(1)
    entry = re.search(r"```yaml\n(.*?)```", section, re.DOTALL).group(1)
    return re.search(r"# (pipeline_steps/\S+\.py)", code).group(1), code, entry


def test_a_threat_is_added_as_the_docs_say(made: TinyDemo, tmp_path: Path) -> None:
    house = made.copy(tmp_path / "house")
    file, code, entry = example_of("### Add a threat")
    (house.root / file).write_text(code)
    house.append("workflow/config/threats.yaml", entry)
    verdicts = "results/demo/verdicts/digits/normal/brightness.parquet"
    house.build(verdicts)
    assert (house.root / verdicts).is_file()


def test_a_figure_is_added_as_the_docs_say(made: TinyDemo, tmp_path: Path) -> None:
    house = made.copy(tmp_path / "house")
    file, code, entry = example_of("### Add a figure")
    (house.root / file).write_text(code)
    house.edit(
        "workflow/config/papers/ijsat.yaml", r"^figures:\n", f"figures:\n{entry}"
    )
    house.build("ijsat_figure-sizes")
    assert (house.root / "results/demo/papers/ijsat/figure-sizes.png").is_file()


def test_links_of_the_pages_lead_somewhere() -> None:
    for page in [PROJECT / "README.md", *(PROJECT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
