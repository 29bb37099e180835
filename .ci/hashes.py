"""Turns pip's report of what it would install into pins with the digests of the archives.

    pip install --dry-run --no-deps --ignore-installed --report report.json -r requirements.lock
    python .ci/hashes.py report.json > requirements.hashes

No address is written: an archive of these digests may come from any index or folder.
"""

import json
import sys
from pathlib import Path
from typing import Any

HEAD = """\
# The digests of what requirements.lock installs, on the kind of machine that wrote them.
# Made by `make hashes`; `make setup HASHES=1` installs nothing else.
"""


def lines(report: dict[str, Any]) -> list[str]:
    """A pin for each package, with the digest of its archive."""
    pins = []
    for package in report["install"]:
        name, version = package["metadata"]["name"], package["metadata"]["version"]
        hashes = package["download_info"].get("archive_info", {}).get("hashes", {})
        if "sha256" not in hashes:
            raise SystemExit(f"error: pip tells no SHA-256 of {name} {version}")
        # As in the lock file, +cpu is left out; the digest says which build it is.
        pin = f"{name}=={version.partition('+')[0]}"
        pins.append(f"{pin} --hash=sha256:{hashes['sha256']}")
    return sorted(pins, key=str.lower)


if __name__ == "__main__":
    content = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sys.stdout.write(HEAD + "\n".join(lines(content)) + "\n")
