"""Files that are whole or absent."""

import errno
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline_steps import layout
from pipeline_steps.core.errors import PipelineError

CHANGES_NO_RESULT = True


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`, renamed onto it once its bytes are on disk."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise write_error(path, error) from error
    partial = Path(name)
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.chmod(0o666 & ~_umask())
        partial.replace(path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        partial.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def refuse_unwritable(root: Path) -> None:
    """Fails at once if no result can be written."""
    for name in (layout.RESULTS, ".snakemake"):
        path = root / name if os.path.lexists(root / name) else root
        if not path.is_dir():
            raise PipelineError(
                f"{path} is not a folder, but results are written there"
            )
        if not os.access(path, os.W_OK | os.X_OK):
            raise PipelineError(
                f"you may not write to {path}; work in a checkout of your own, or ask "
                "its owner for permission"
            )


def disk_is_full(error: BaseException) -> bool:
    """Whether an error means a full disk; some libraries wrap the system's error."""
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.ENOSPC, errno.EDQUOT):
        return True
    short_of_bytes = re.search(r"\d+ requested and \d+ written", str(error))
    return bool(short_of_bytes) or "No space left on device" in str(error)


def write_error(path: Path, error: OSError) -> PipelineError:
    if disk_is_full(error):
        return PipelineError(
            f"the disk is full: {path} could not be written, and nothing of it was "
            "kept; free some space and run the same command again"
        )
    return PipelineError(f"{path} could not be written: {error}")


def write_json(path: Path, content: Any) -> None:
    """JSON with sorted keys: equal content gives equal bytes."""
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
    with writing(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PipelineError(f"{path} is missing; build it, or pull it") from None
    except (ValueError, OSError, RecursionError) as error:
        raise PipelineError(
            f"{path} is not readable JSON ({error}); delete it and build it again"
        ) from error


def sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise PipelineError(f"{path} is missing; build it, or pull it") from None
