"""Whether all is there: by name what is not, and made again in the bytes of before."""

import subprocess
import sys
from pathlib import Path

import pytest
from workflow_house import House, TinyDemo

pytestmark = pytest.mark.xdist_group("workflow")

RESULTS = Path("results/demo")
WEIGHTS = RESULTS / "checkpoints/defenses/digits/at.safetensors"
VERDICTS = RESULTS / "verdicts/digits/normal/clean.parquet"
GENERATOR = RESULTS / "cards/generators/digits/glow.json"
JUDGED = RESULTS / "cards/verdicts/digits/at/clean.json"
RECORD = RESULTS / "cards/defenses/digits/normal.record.json"
HISTORY = RESULTS / "cards/defenses/digits/ijsat.history.csv"
LEFT = RESULTS / "checkpoints/defenses/digits/.partial-1-at.safetensors"


def overwrite(path: Path, content: bytes) -> None:
    """Other bytes, and those in Snakemake's cache untouched."""
    path.unlink()
    path.write_bytes(content)


def verify(house: House, *arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "pipeline_steps.cli", "verify", *arguments]
    done = subprocess.run(
        command, cwd=house.root, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout


def bytes_of(house: House) -> dict[Path, bytes]:
    """All results but what tells of one run."""
    files = [
        p for top in ("results/demo", "data") for p in (house.root / top).rglob("*")
    ]
    return {
        path.relative_to(house.root): path.read_bytes()
        for path in files
        if path.is_file()
        and "logs" not in path.parts
        and not path.name.endswith(".record.json")
        and path.parent != house.root / RESULTS
    }


def test_what_is_wrong_is_named_and_made_again_in_the_same_bytes(
    made: TinyDemo, tmp_path: Path
) -> None:
    house = made.copy(tmp_path / "house")
    root, before = house.root, bytes_of(house)
    assert verify(house)[0] == 0
    (root / WEIGHTS).unlink()
    (root / RECORD).unlink()
    (root / HISTORY).unlink()
    content = (root / VERDICTS).read_bytes()
    overwrite(root / VERDICTS, content[:-9] + bytes([content[-9] ^ 4]) + content[-8:])
    overwrite(root / GENERATOR, b"{")
    text = (root / JUDGED).read_text()
    overwrite(root / JUDGED, text.replace('"accuracy": ', '"accuracy": 1').encode())
    (root / LEFT).touch()
    status, said = verify(house)
    assert status == 1
    named = {line.split(": ")[0].strip() for line in said.splitlines()[1:]}
    wrong = {WEIGHTS, VERDICTS, GENERATOR, JUDGED, RECORD, HISTORY, LEFT}
    assert named == {str(file) for file in wrong}
    assert f"{WEIGHTS}: is missing" in said
    assert f"{VERDICTS}: does not match its card" in said
    assert verify(house, "--repair")[0] == 0
    assert bytes_of(house) == before
    assert house.planned() == set()
