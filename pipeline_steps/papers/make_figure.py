"""Makes a figure from the files behind its panels, as a picture and as a drawing."""

from typing import Any

from pipeline_steps.core import registry
from pipeline_steps.core.card import verify
from pipeline_steps.core.errors import PipelineError
from pipeline_steps.core.step import Job, run
from pipeline_steps.papers.panels import KINDS
from pipeline_steps.papers.spec import FigureSpec
from pipeline_steps.papers.style import look, save


def main(job: Job[FigureSpec]) -> dict[str, Any]:
    """The figure, drawn by the class that its spec names."""
    spec = job.spec
    figure = registry.make("figure", spec.figure)
    files = []
    inputs = (spec.panels, job.inputs["panels"], job.inputs["panels_card"])
    for panel, path, card in zip(*inputs, strict=True):
        if panel.what not in figure.shows.split():
            raise PipelineError(
                f"{spec.paper}, {spec.name}: the figure '{spec.figure['figure']}' "
                f"shows panels of '{figure.shows}', and '{panel.label}' is one of "
                f"'{panel.what}'"
            )
        verify(path, card, KINDS[panel.what].role)
        files.append(path)
    with look():
        drawn = figure.draw(spec, files)
        save(drawn, job.output("png"))
        save(drawn, job.output("svg"))
    return {"panels": len(files)}


if __name__ == "__main__":
    run("papers.make_figure", FigureSpec, main)
