"""The exceptions that a user is meant to read."""

CHANGES_NO_RESULT = True


class PipelineError(Exception):
    """One sentence that names what is wrong and what to do about it."""


class Interrupted(Exception):
    """The job was asked to stop, and has saved all that it needs to go on."""
