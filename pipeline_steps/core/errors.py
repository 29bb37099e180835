"""The exceptions that a user is meant to read."""

CHANGES_NO_RESULT = True


class PipelineError(Exception):
    """One sentence that names what is wrong and what to do about it."""


class Interrupted(Exception):
    """The job was asked to stop, and has saved all that it needs to go on."""


def sentences_in(log: str) -> list[str]:
    """What a program said was wrong, in our own form."""
    ends = (line.partition("error: ")[2] for line in log.splitlines())
    return [sentence for sentence in ends if sentence]


def last_words(log: str) -> str:
    """The sentence in which Snakemake ended, or its last lines."""
    lines = [line for line in log.splitlines() if line.strip()]
    return (sentences_in(log) or [" ".join(lines[-3:])])[-1]
