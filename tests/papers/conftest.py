"""A report of made-up results, made once."""

from pathlib import Path

import pytest
import report_house


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report's file, three folders below the one in which it was made."""
    root = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        return root / report_house.make()
