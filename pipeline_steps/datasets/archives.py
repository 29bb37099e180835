"""Reads the pickles of published data sets through a door that admits arrays alone."""

import pickle
from typing import IO, Any

from pipeline_steps.core.errors import PipelineError

ADMITTED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
}


class _ArraysOnly(pickle.Unpickler):
    """Knows how to rebuild a NumPy array, and nothing else that could run."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ADMITTED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module, name)


def load_arrays(file: IO[bytes], name: str) -> dict[bytes, Any]:
    """The arrays of a pickle whose archive's checksum held."""
    try:
        return _ArraysOnly(file, encoding="bytes").load()
    except (pickle.UnpicklingError, EOFError, ValueError) as error:
        raise PipelineError(f"{name} is no pickle of plain arrays: {error}") from None
