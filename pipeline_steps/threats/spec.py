"""What a job must know about a threat."""

from pydantic import ConfigDict

from pipeline_steps.core.settings import Settings


class ThreatSpec(Settings):
    """An attack's name, with its settings beside it."""

    model_config = ConfigDict(extra="allow")

    attack: str = "ascent"
