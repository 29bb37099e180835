"""Snakemake's command-line arguments, with the scale in its config."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

# The profile of a SLURM cluster.
SLURM = "slurm"
# Where Snakemake looks for a profile, beside the folder in which it runs.
HOME = Path.home() / ".config/snakemake"


def with_scale(
    arguments: Sequence[str],
    scale: str,
    profile: str | None = None,
    root: Path = Path(),
) -> list[str]:
    """The same arguments, followed by the whole config.

    A `--config` on the command line replaces the profile's, so the profile's settings
    are repeated; the user's own win over both. It comes last, because Snakemake would
    take targets after it for settings.
    """
    rest, own = _split(arguments)
    settings = {**_of_profile(profile, root), "scale": scale, **own}
    pairs = (f"{key}={value}" for key, value in settings.items())
    return [*rest, "--config", *pairs]


def _split(arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """All arguments but `--config KEY=VALUE …`, and its settings."""
    rest: list[str] = []
    settings: dict[str, str] = {}
    inside = False
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if argument in ("--config", "-C"):
            inside = True
        elif inside and equals and key.isidentifier():
            settings[key] = value
        else:
            inside = False
            rest.append(argument)
    return rest, settings


def _of_profile(profile: str | None, root: Path) -> Mapping[str, str]:
    """The config that a profile sets."""
    files = [place / (profile or "") / "config.yaml" for place in (root, HOME)]
    file = next((file for file in files if profile and file.is_file()), None)
    told = yaml.safe_load(file.read_text(encoding="utf-8")) if file else None
    pairs = (told or {}).get("config") or []
    if isinstance(pairs, Mapping):
        return {str(key): str(value) for key, value in pairs.items()}
    return _split(["--config", *map(str, pairs)])[1]
