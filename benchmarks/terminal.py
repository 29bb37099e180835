"""What a finished run would show, and how far off its ETA was, by playing its log again.

python -m benchmarks.terminal .snakemake/log/….log [--scale demo] [--slots 1]

The log is Snakemake's own, which was on the screen before: its bytes and lines stand beside
those of the terminal's. Jobs start and end as the log says, to the second; nothing else is
known to the forecast but the settings, as in a fresh clone. Beside it stands the usual ETA,
which takes all jobs for equally long.
"""

import argparse
import re
import tempfile
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pipeline_steps.jobs.planned import RuleJob, planner
from pipeline_steps.layout import RULES
from pipeline_steps.terminal.forecast import Forecast, step_of
from pipeline_steps.terminal.run_state import Run, RunJob, State
from pipeline_steps.terminal.words import Words, duration, outcome

LOOKS = (0.25, 0.5, 0.75)


@dataclass
class Ran:
    """A job as a log tells of it."""

    rule: str
    started: float
    ended: float = 0.0
    fields: dict[str, str] = field(default_factory=dict)

    def files(self, kind: str) -> list[str]:
        return self.fields.get(kind, "").split(", ")


def ran(log: str) -> list[Ran]:
    """The jobs that ended, in the order of their start."""
    now, jobs, last = 0.0, dict[str, Ran](), Ran("", 0)
    for line in log.splitlines():
        if stamp := re.match(r"\[(\w{3} \w{3} .*)\]$", line):
            now = datetime.strptime(stamp[1], "%a %b %d %H:%M:%S %Y").timestamp()
        elif header := re.match(r"(?:local)?rule (\w+):$", line):
            last = Ran(header[1], now)
        elif about := re.match(r"    (\w+): (.*)", line):
            last.fields[about[1]] = about[2]
            if about[1] == "jobid":
                jobs[about[2]] = last
        elif ended := re.match(r"Finished jobid: (\d+)", line):
            jobs[ended[1]].ended = now
    return [job for job in jobs.values() if job.ended and job.rule in RULES]


def played(log: str, scale: str, slots: int) -> tuple[Run, list[Ran], list[RuleJob]]:
    """The run before its first job, and what became of its jobs."""
    plan, jobs = planner(scale), ran(log)
    makers = {file: n for n, job in enumerate(jobs) for file in job.files("output")}
    planned, known = {}, []
    with tempfile.TemporaryDirectory() as nothing:
        forecast = Forecast(plan.specs.config, Path(nothing))
        for number, job in enumerate(jobs):
            pairs = (pair.partition("=") for pair in job.files("wildcards"))
            names = {name: value for name, _, value in pairs}
            kind = RULES[job.rule]
            ours = plan.job(job.rule, *(names[name] for name in kind.wildcards))
            known.append(ours)
            planned[number] = RunJob(
                id=number,
                rule=job.rule,
                step=step_of(ours),
                words=Words(plan.specs.config).job(ours, "digits"),
                seconds=forecast.seconds(ours),
                needs=sorted({makers[f] for f in job.files("input") if f in makers}),
                priority=float(job.fields.get("priority", 0)),
            )
    began = min(job.started for job in jobs)
    return Run(scale, slots, began=began, jobs=planned), jobs, known


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.terminal")
    parser.add_argument("log", type=Path)
    parser.add_argument("--scale", default="demo")
    parser.add_argument("--slots", type=int, default=1)
    options = parser.parse_args()
    text = options.log.read_text(encoding="utf-8")
    run, jobs, known = played(text, options.scale, options.slots)
    lasted = max(job.ended for job in jobs) - run.began
    first = run.seconds_left(run.began)
    print(
        f"{len(jobs)} jobs in {lasted:.0f} s; at the start {first:.0f} s were forecast"
    )
    moments = [(job.started, "started", n) for n, job in enumerate(jobs)]
    moments += [(job.ended, "finished", n) for n, job in enumerate(jobs)]
    moments.sort(key=lambda moment: (moment[0], moment[2], moment[1] == "finished"))
    for look in LOOKS:
        now = run.began + look * lasted
        while moments and moments[0][0] <= now:
            when, kind, number = moments.pop(0)
            run.read({"event": kind, "time": when, "id": number})
        left, true = run.seconds_left(now), lasted * (1 - look)
        done = max(run.counts[State.DONE], 1)
        usual = (now - run.began) * (len(jobs) - done) / done
        print(
            f"at {look:.0%} of the time: {done} jobs done, {true:.0f} s left; forecast "
            f"{left:.0f} s, off by {(left - true) / lasted:+.1%} of the run; by the number "
            f"of jobs {usual:.0f} s, off by {(usual - true) / lasted:+.1%}"
        )
    root = options.log.resolve().parents[2]
    lines = []
    for job, number in zip(known, range(len(jobs)), strict=True):
        said = outcome(job.result.rule, root / job.outputs.get("card", "none"))
        took = duration(jobs[number].ended - jobs[number].started)
        parts = ", ".join(filter(None, [said, took]))
        lines.append(
            f"[{number:3}/{len(jobs)}, 10 min left]  {run.jobs[number].words}: "
        )
        lines[-1] += parts
    size = sum(len(line.encode()) + 1 for line in lines)
    print(
        f"Snakemake's log: {len(text.encode()):,} bytes, {text.count(chr(10)):,} lines"
    )
    print(f"the terminal's: {size:,} bytes, {len(lines):,} lines")


if __name__ == "__main__":
    main()
