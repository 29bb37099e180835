"""What a panel of a figure may show, and where the pipeline keeps it."""

from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of result; `{}` is the name of the job that made it."""

    file: str
    card: str
    role: str
    """What the file is called on its card."""

    @property
    def family(self) -> str:
        """The folder that such results lie in."""
        return self.file.partition("/")[0]

    @property
    def on_manifold(self) -> bool:
        """Whether it is of a generator's manifold, not of a defense under a threat."""
        return self.family == "manifolds"


def _kind(family: str, suffix: str, role: str, split: str = "") -> Kind:
    return Kind(f"{family}/{{}}{split}.{suffix}", f"{family}/{{}}{split}", role)


KINDS = {
    "curve": _kind("curves", "parquet", "curve"),
    "examples": _kind("verdicts", "examples.safetensors", "examples"),
    "verdicts": _kind("verdicts", "parquet", "verdicts"),
    "manifold": _kind("manifolds", "pictures.safetensors", "pictures", "/test"),
    "distances": _kind("manifolds", "errors.parquet", "errors", "/test"),
}
