"""The config of a paper as typed models."""

from pydantic import Field

from pipeline_steps.core.settings import Figure, Settings, Word
from pipeline_steps.papers.claim import Claim
from pipeline_steps.papers.spec import Column, Panel, Row


class Table(Settings):
    """A table of a paper: what it prints, and what stands behind each cell."""

    title: str
    """Its number and what it shows."""
    dataset: Word
    """The data set that the paper names."""
    average: str | None = None
    """The name of the column of row means, if it has one."""
    columns: list[Column]
    """Its columns, from left to right."""
    rows: list[Row]
    """Its rows, from the top."""


class FigureConfig(Settings):
    """A figure of a paper, or one of ours that belongs beside it."""

    title: str
    """Its number and what it shows."""
    dataset: Word
    """The data set that the paper names."""
    figure: Figure
    """How it is drawn."""
    panels: list[Panel]
    """What it shows, in order."""


class Paper(Settings):
    """One paper: its tables, its figures and its claims."""

    title: str
    """As printed."""
    authors: str
    """As printed."""
    tables: dict[Word, Table] = Field(default_factory=dict)
    """By the names of their files."""
    figures: dict[Word, FigureConfig] = Field(default_factory=dict)
    """By the names of their files."""
    claims: list[Claim] = Field(default_factory=list)
    """Sentences that numbers decide."""


class Part(Settings):
    """How much of a table a scale computes; all of it, if neither is stated."""

    defenses: list[str] | None = None
    """Rows of these."""
    threats: list[Word] | None = None
    """Columns of these."""
