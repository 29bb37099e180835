"""The demo makes a table and a figure of each paper; the rivals' here, at tiny size."""

import pandas as pd
import pytest
from workflow_house import DEMO, House

from pipeline_steps.config.load import load_config

pytestmark = pytest.mark.xdist_group("workflow")

PAGES = {
    "atld": {
        "table1": {
            "defenses": ["jat-natural", "atld+"],
            "threats": ["clean", "pgd20"],
        },
        "figure1": {},
    },
    "jat": {
        "table1": {
            "defenses": ["jat-natural", "jat"],
            "threats": ["clean", "spatial"],
        },
        "figure4": {},
    },
}


def test_no_paper_is_without_a_table_and_a_figure() -> None:
    config = load_config("demo")
    for name, paper in config.papers.items():
        made = config.scale.pages[name].keys()
        assert made & paper.tables.keys() and made & paper.figures.keys(), name


def test_tables_and_figures_of_the_rivals_are_made(tmp_path) -> None:
    house = House.fresh(tmp_path / "house").tiny()
    house.configure(DEMO, "pages", PAGES)
    house.build()
    papers = house.root / "results/demo/papers"
    for paper, column in (("atld", "PGD20"), ("jat", "Spatial")):
        table = pd.read_csv(papers / paper / "table1.csv")
        asked = table[table["column"].isin([table["column"][0], column])]
        assert asked["measured"].notna().sum() == 4, asked
    for figure in ("atld/figure1.svg", "jat/figure4.svg"):
        assert (papers / figure).stat().st_size > 10_000
    page = (house.root / "results/demo/index.html").read_text()
    assert all(f'id="{paper}"' in page for paper in ("ijsat", "dmat", "atld", "jat"))
