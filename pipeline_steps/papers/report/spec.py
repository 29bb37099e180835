"""What the report must know besides the results: the papers, and what things are called."""

from pydantic import Field

from pipeline_steps.core.settings import Settings
from pipeline_steps.papers.claim import LeftOut
from pipeline_steps.papers.names import Names


class Printed(Settings):
    """A table or a figure as a paper prints it, whether it is made here or not."""

    name: str
    """Its target is the paper's name, an underscore, and this."""
    title: str
    made: bool
    """Whether this scale makes it."""
    numbers: int = 0
    """How many it prints, averages left out."""
    published_only: int = 0
    """The number of them that no scale measures."""


class PrintedPaper(Settings):
    """All that a paper prints."""

    paper: str
    title: str
    authors: str
    tables: list[Printed]
    figures: list[Printed]


class OverviewSpec(Settings):
    """The scale whose jobs are listed, and the papers whose pages it shows."""

    scale: str
    scale_title: str
    papers: list[PrintedPaper] = Field(default_factory=list)
    names: Names = Names()
    """What people call what the pages speak of."""
    left_out: dict[str, LeftOut] = Field(default_factory=dict)
    """By a claim's name: what it lacks at this scale."""
