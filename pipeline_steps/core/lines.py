"""CSV whose bytes depend only on its content."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any


def write_lines(
    path: Path, columns: Sequence[str], lines: Iterable[Mapping[str, Any]]
) -> None:
    """CSV with a line for each mapping; `None` and missing values stay empty."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def read_lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
