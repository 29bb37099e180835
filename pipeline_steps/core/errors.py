"""The exceptions whose text is written for users."""

import re

CHANGES_NO_RESULT = True

EXCEPTION = r"\w*(Exception|Error|UnknownTarget)\b.*:$"


class PipelineError(Exception):
    """One sentence that names what is wrong and what to do about it."""


class Interrupted(Exception):
    """The job was asked to stop, and has saved all that it needs to go on."""


def sentences_in(log: str) -> list[str]:
    """The complaints in a program's output that have this project's form."""
    ends = (line.partition("error: ")[2] for line in log.splitlines())
    return [sentence for sentence in ends if sentence]


def last_words(log: str) -> str:
    """The sentence in which Snakemake ended, or its last lines."""
    if sentences := sentences_in(log):
        return sentences[-1]
    # Snakemake names its profiles last, on the other stream.
    lines = [line.strip() for line in log.splitlines() if not line.startswith("Using ")]
    # Its own exceptions: a line with the name, and the reasons below it.
    heads = [i for i, line in enumerate(lines) if re.match(EXCEPTION, line)]
    last = lines[heads[-1] + 1 :] if heads else lines[-3:]
    return " ".join(filter(None, last)) or "it gave no reason"
