"""Random seeds derived from names, without importing torch."""

import hashlib


def derive(seed: int, *labels: str | int) -> int:
    """A 63-bit seed for what the labels name."""
    name = "\0".join([str(seed), *map(str, labels)])
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1
