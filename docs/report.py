"""Pictures of the report, as Chromium shows it on a desktop, a tablet and a phone.

`python -m docs.report` takes those of the documentation from the demo's report, after
`make demo`. `python -m docs.report --all FOLDER` takes every page at every width, in light and
in dark, to be looked at.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from html import escape
from itertools import product
from pathlib import Path
from typing import NamedTuple

from PIL import Image

HERE = Path(__file__).parent
REPORT = HERE.parent / "results/demo/index.html"
CHROMIUM = ("chromium", "--headless", "--no-sandbox", "--disable-gpu")

# How high the window is that shows so many pixels of width.
HEIGHTS = {1400: 1000, 768: 1000, 390: 844}
PLACES = {
    "front": "",
    "atld": "#atld",
    "dmat": "#dmat",
    "ijsat": "#ijsat",
    "jat": "#jat",
    "box": "#ijsat/table1/2/2",
}


class Shot(NamedTuple):
    """One picture: what of the report, how wide, and in which light."""

    place: str
    width: int
    scheme: str = "light"

    @property
    def name(self) -> str:
        dark = "-dark" if self.scheme == "dark" else ""
        return f"report-{self.place}-{self.width}{dark}"


DOCUMENTED = (
    Shot("front", 1400),
    Shot("front", 390, "dark"),
    Shot("ijsat", 1400),
    Shot("atld", 768, "dark"),
    Shot("dmat", 390),
    Shot("jat", 768),
    Shot("box", 1400, "dark"),
    Shot("box", 390),
)


def take(shot: Shot, report: Path, to: Path) -> Path:
    """One picture; in a frame, for a window is never as narrow as a phone."""
    height = HEIGHTS[shot.width]
    source = f"{report.resolve().as_uri()}{escape(PLACES[shot.place])}"
    size = f'width="{shot.width}" height="{height}"'
    style = f"border: 0; color-scheme: {shot.scheme}"
    picture = to / f"{shot.name}.webp"
    with tempfile.TemporaryDirectory() as folder:
        host, raw = Path(folder, "host.html"), Path(folder, "raw.png")
        host.write_text(
            f'<html style="color-scheme: {shot.scheme}"><body style="margin: 0">'
            f'<iframe style="{style}" {size} src="{source}"></iframe>',
            encoding="utf-8",
        )
        command = [
            *(*CHROMIUM, "--hide-scrollbars", "--virtual-time-budget=4000"),
            *(f"--user-data-dir={folder}/user", f"--screenshot={raw}"),
            *(f"--window-size={max(500, shot.width)},{height}", host.as_uri()),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=300)
        with Image.open(raw) as whole:
            cut = whole.convert("RGB").crop((0, 0, shot.width, height))
    cut.save(picture, quality=72, method=6)
    return picture


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--all", type=Path, help="a folder for every page and width")
    parser.add_argument("--report", type=Path, default=REPORT, help="the demo's")
    options = parser.parse_args()
    if not options.report.is_file() or not shutil.which("chromium"):
        text = (
            f"error: this needs chromium, and {options.report}, which `make demo` makes"
        )
        sys.exit(text)
    every = product(PLACES, HEIGHTS, ("light", "dark"))
    shots = [Shot(*each) for each in every] if options.all else [*DOCUMENTED]
    folder = options.all or HERE / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    for shot in shots:
        print(take(shot, options.report, folder))


if __name__ == "__main__":
    main()
