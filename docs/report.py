"""Pictures of the report, as Chromium shows it at a desktop's and at a phone's width.

`python -m docs.report` takes them of the demo's report, after `make demo`.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
REPORT = HERE.parent / "results/demo/index.html"
CHROMIUM = ("chromium", "--headless", "--no-sandbox", "--disable-gpu")

OPEN = """<script>
addEventListener("load", () => document.querySelector("#ijsat button.why").click());
</script>"""

# Width and height of the page, the place in it, and what is done there.
PICTURES = {
    "report": (1280, 1000, "", ""),
    "report-cell": (1280, 1000, "#ijsat", OPEN),
    "report-phone": (390, 844, "#ijsat/table1", ""),
}


def take(name: str, folder: Path) -> Path:
    """One picture; in a frame, for a window is never as narrow as a phone."""
    width, height, place, script = PICTURES[name]
    page, host = folder / "page.html", folder / "host.html"
    text = REPORT.read_text(encoding="utf-8")
    page.write_text(text.replace("</body>", f"{script}</body>"), encoding="utf-8")
    source = f"{page.as_uri()}{escape(place)}"
    frame = (
        f'<iframe style="border: 0" width="{width}" height="{height}" src="{source}">'
    )
    host.write_text(f'<body style="margin: 0">{frame}</iframe>', encoding="utf-8")
    picture = HERE / f"pictures/{name}.png"
    command = [
        *CHROMIUM,
        *("--hide-scrollbars", "--virtual-time-budget=3000"),
        *(f"--window-size={max(500, width)},{height}", f"--screenshot={picture}"),
        host.as_uri(),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    with Image.open(picture) as whole:
        cut = whole.convert("RGB").crop((0, 0, width, height))
    cut.quantize(256).save(picture, optimize=True)
    return picture


def main() -> None:
    argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0]).parse_args()
    if not REPORT.is_file() or not shutil.which("chromium"):
        sys.exit(f"error: this needs chromium, and {REPORT}, which `make demo` makes")
    with tempfile.TemporaryDirectory() as folder:
        for name in PICTURES:
            print(take(name, Path(folder)))


if __name__ == "__main__":
    main()
