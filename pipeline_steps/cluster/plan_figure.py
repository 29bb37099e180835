"""A plan as a figure: the hours of each stage, and how busy eight GPUs are over
time."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline_steps.cluster.cost_plan import CostPlan
from pipeline_steps.papers.style import COLOURS, FAINT, GREY, INK, look, save
from pipeline_steps.papers.wording import duration

SHOWN_ON = 8
POINTS = 600
SHARE_SHOWN = 0.002  # a stage below this share of all hours has no bar


def draw(plan: CostPlan, folder: Path) -> None:
    """The figure as PNG and SVG."""
    with look():
        figure = Figure(figsize=(10, 3.6), layout="constrained")
        title = f"What scale {plan.scale} will cost: {plan.settings.title}"
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
        bars, busy = figure.subplots(1, 2, width_ratios=[1, 1.4])
        colours = _bars(plan, bars)
        _busy(plan, busy, colours)
        for suffix in (".png", ".svg"):
            save(figure, folder / f"plan{suffix}")


def _bars(plan: CostPlan, axes: Axes) -> dict[str, str]:
    """The hours of each stage, with what is done in grey; gives each stage its colour."""
    hours: dict[str, list[float]] = {step: [0.0, 0.0] for step in plan.stages}
    for index, job in enumerate(plan.jobs):
        hours[job.step][job.to_do] += plan.device_hours([index])
    least = SHARE_SHOWN * sum(map(sum, hours.values()))
    steps = [step for step, both in hours.items() if sum(both) > least]
    colours = {step: COLOURS[i % len(COLOURS)] for i, step in enumerate(steps)}
    done, left = np.array([hours[step] for step in steps] or [[0, 0]]).T
    names = steps or [""]
    axes.barh(names, left, color=[colours.get(n, INK) for n in names])
    axes.barh(names, done, left=left, color=FAINT)
    for name, value, more in zip(names, left, done, strict=True):
        label = f" {value:,.1f}" + (f", done {more:,.1f}" if more else "")
        axes.annotate(label, (value + more, name), va="center", color=INK)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.25 * max([*(left + done), 0.01]))
    axes.set_axisbelow(True)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"{plan.device} hours")
    return colours


def _busy(plan: CostPlan, axes: Axes, colours: dict[str, str]) -> None:
    """How many GPUs each stage holds, over the time that all of it takes."""
    made = plan.schedule(SHOWN_ON)
    scale, word = (86400, "days") if made.makespan > 3 * 86400 else (3600, "hours")
    times = np.linspace(0, made.makespan, POINTS)
    held = {step: np.zeros(POINTS) for step in colours}
    for index, start, end in zip(plan.left, made.starts, made.ends, strict=True):
        job = plan.jobs[index]
        if job.step in held:
            held[job.step] += plan.devices(job) * ((times >= start) & (times < end))
    axes.stackplot(
        times / scale, *held.values(), colors=list(colours.values()), step="post", lw=0
    )
    axes.set_axisbelow(True)
    ideal = plan.bound(SHOWN_ON)
    axes.axvline(ideal / scale, color=GREY, linestyle="--", linewidth=1)
    axes.set_xlim(0, 1.02 * max(made.makespan, ideal, 1) / scale)
    axes.set_ylim(0, SHOWN_ON)
    axes.set_xlabel(word)
    axes.set_ylabel(f"{plan.device}s at work, of {SHOWN_ON}")
    heading = (
        f"{duration(made.makespan)} in all; the ideal, {duration(ideal)}, is dashed"
    )
    axes.set_title(heading, loc="left", fontsize=9)
