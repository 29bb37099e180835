"""Whether two runs of a scale came to the same results, byte by byte.

python -m benchmarks.same_results BEFORE AFTER [--scale rehearsal]

BEFORE and AFTER are checkouts in which the scale was made. Compared are the bytes of tables,
verdicts, curves, manifolds, checkpoints, histories and claims, and the metrics of all cards.
"""

import argparse
import hashlib
import json
import sys
from collections import Counter
from pathlib import Path

# By how a file's path within the scale begins and ends; the first that fits counts.
KINDS = (
    ("tables and claims", "papers/", ".csv"),
    ("tables and claims", "claims.csv", ""),
    ("LaTeX", "papers/", ".tex"),
    ("pictures", "papers/", ".png"),
    ("histories", "cards/", ".history.csv"),
    ("verdicts", "verdicts/", ".parquet"),
    ("edited images", "verdicts/", ".safetensors"),
    ("curves", "curves/", ".parquet"),
    ("explanations", "explanations/", ".safetensors"),
    ("manifolds", "manifolds/", ""),
    ("checkpoints", "checkpoints/", ".safetensors"),
    ("summary", "summary.json", ""),
)


def kind_of(path: str) -> str | None:
    for kind, start, end in KINDS:
        if path.startswith(start) and path.endswith(end):
            return kind
    return None


def contents(folder: Path) -> dict[tuple[str, str], str]:
    """By kind and path a digest of what is compared."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = str(path.relative_to(folder))
        kind = kind_of(name)
        if kind:
            found[kind, name] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif name.startswith("cards/") and name.endswith(".json"):
            metrics = json.loads(path.read_text()).get("metrics")
            if not name.endswith(".record.json"):
                found["metrics of cards", name] = json.dumps(metrics, sort_keys=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--scale", default="rehearsal")
    options = parser.parse_args()
    before, after = (
        contents(root / "results" / options.scale)
        for root in (options.before, options.after)
    )
    same = Counter(
        kind for kind, name in before if before[kind, name] == after.get((kind, name))
    )
    other = [
        key for key in before.keys() | after.keys() if before.get(key) != after.get(key)
    ]
    for kind in dict.fromkeys([*(k for k, _, _ in KINDS), "metrics of cards"]):
        differ = [name for k, name in other if k == kind]
        print(f"{kind:20} {same[kind]:6} the same, {len(differ)} not")
        for name in sorted(differ)[:20]:
            where = [
                s
                for s, run in (("before", before), ("after", after))
                if (kind, name) in run
            ]
            print(
                f"    {name} ({'differs' if len(where) == 2 else 'only ' + where[0]})"
            )
    sys.exit(bool(other))


if __name__ == "__main__":
    main()
