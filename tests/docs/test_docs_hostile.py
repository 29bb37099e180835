"""The page of hostile inputs lists what the tests try, and no less."""

from tests.hostile import PAGE, listed, with_tables


def test_the_page_lists_every_input() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert with_tables(page) == page, "write it anew: python -m tests.hostile"
    assert sum(len(inputs) for _, _, inputs in listed()) >= 60
