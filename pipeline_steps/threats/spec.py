"""What a job must know of a threat."""

from pipeline_steps.core.settings import Entry, Settings, Whole


class ThreatSpec(Settings):
    """An edit, what it shall achieve, and in how many steps."""

    edit: Entry
    objective: Entry
    steps: Whole
