"""What the docs tell people to do works as it is written there."""

import re
from pathlib import Path

import pytest
from workflow_house import PROJECT, TinyDemo

pytestmark = pytest.mark.xdist_group("workflow")


def test_a_threat_is_added_as_the_docs_say(made: TinyDemo, tmp_path: Path) -> None:
    house = made.copy(tmp_path / "house")
    page = (PROJECT / "docs/architecture.md").read_text()
    section = page.split("### Add a threat")[1].split("### ")[0]
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL).group(1)
    entry = re.search(r"```yaml\n(.*?)```", section, re.DOTALL).group(1)
    file = re.search(r"# (pipeline_steps/\S+\.py)", code).group(1)
    (house.root / file).write_text(code)
    house.append("workflow/config/threats.yaml", entry)
    verdicts = "results/demo/verdicts/digits/normal/brightness.parquet"
    house.build(verdicts)
    assert (house.root / verdicts).is_file()


def test_links_of_the_pages_lead_somewhere() -> None:
    for page in [PROJECT / "README.md", *(PROJECT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
