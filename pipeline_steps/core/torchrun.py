"""torchrun, which ends in one sentence and with its processes' own status.

    python -m pipeline_steps.core.torchrun PROCESSES MODULE ARGUMENTS...

The processes hear of their job through its input, which `processes.run_together` keeps
open for them.
"""

import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main as torchrun

from pipeline_steps.core.processes import LAST_WORDS, LEFT_ALONE
from pipeline_steps.core.progress import say


def main(processes: str, module: str, arguments: Sequence[str]) -> int:
    # What it has to say of failures is said in one sentence below.
    logging.disable(logging.ERROR)
    # A scheduler may send this to every process; torchrun would end by it unheard.
    signal.signal(signal.SIGUSR1, lambda *_: None)
    here = ["--standalone", "--local-addr=127.0.0.1", f"--nproc-per-node={processes}"]
    with TemporaryDirectory(prefix="last-words-") as folder:
        os.environ[LAST_WORDS] = folder
        try:
            torchrun([*here, "-m", module, *arguments])
        except (ChildFailedError, SignalException) as failure:
            words_left = [
                path.read_text(encoding="utf-8") for path in Path(folder).iterdir()
            ]
            words = (text.partition(" ") for text in words_left)
            ends = [(int(status), sentence) for status, _, sentence in words]
            # An error comes before an interruption, which has a higher status.
            status, sentence = min(ends, default=(1, _unsaid(failure, processes)))
            say(sentence)
            return status
    return 0


def _unsaid(failure: ChildFailedError | SignalException, processes: str) -> str:
    """A sentence for a process that left none."""
    again = "run the same command again, which goes on from what was saved"
    if isinstance(failure, SignalException):
        return f"error: the job was ended by {failure.sigval.name}; {again}"
    consequences = (LEFT_ALONE, -signal.SIGTERM)
    ended = sorted(failure.failures.items(), key=lambda end: end[1].timestamp)
    rank, cause = min(ended, key=lambda end: end[1].exitcode in consequences)
    which = f"error: process {rank + 1} of {processes}"
    if cause.exitcode < 0:
        name = signal.Signals(-cause.exitcode).name
        more = ", or ask for more memory" if name == "SIGKILL" else ""
        return f"{which} was killed by {name}; {again}{more}"
    return f"{which} crashed; what it said stands above"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
