"""DVC's commands in one process of their own: it takes longer to start than to answer.

The process reads a command a line, as JSON, and answers in a line each.
"""

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from pipeline_steps.core.errors import PipelineError


class DvcProcess:
    """Runs commands one after the other in a checkout."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def _child(self) -> subprocess.Popen[str]:
        """It ends by itself when this process does, and with it the pipe."""
        return subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=self.root,
            env=os.environ | {"DVC_NO_ANALYTICS": "1", "PYTHONPATH": _search_path()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def run(self, arguments: Sequence[str]) -> tuple[int, str, str]:
        """The exit status, and what was printed and complained of."""
        child = self._child
        assert child.stdin is not None and child.stdout is not None
        try:
            print(json.dumps(list(arguments)), file=child.stdin, flush=True)
            answer = child.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            del self._child
            raise PipelineError(
                f"dvc {arguments[0]} was killed; nothing was lost, so try again"
            )
        status, printed, complained = json.loads(answer)
        return status, printed, complained


def _search_path() -> str:
    """Where this package lies, for a checkout that is not the one we run from."""
    here = str(Path(__file__).parents[2])
    return os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])


def main() -> None:
    # DVC takes its streams when it is imported, so they are set before.
    printed, complained = io.StringIO(), io.StringIO()
    answers = os.fdopen(os.dup(1), "w")
    # What writes past these streams, as some libraries do, must not pass for an answer.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(complained):
        from dvc.cli import main as dvc

        for command in sys.stdin:
            for stream in (printed, complained):
                stream.seek(0)
                stream.truncate()
            status = dvc(json.loads(command))
            answer = [status, printed.getvalue(), complained.getvalue()]
            print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
