"""The result of a run, gathered from Snakemake's output."""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from pipeline_steps.core.processes import ERROR


@dataclass(frozen=True)
class Failure:
    """A job that failed, and the log that says why."""

    rule: str
    log: str

    @property
    def job(self) -> str:
        """Its rule and its wildcards: `train_defense digits/at`."""
        name = str(Path(self.log).with_suffix(""))
        return f"{self.rule} {name.partition(f'logs/{self.rule}/')[2]}".rstrip()

    def sentence(self, root: Path) -> str:
        """The sentence in which the job failed, or the last line of its log."""
        path = root / self.log
        lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
        said = [line.partition(ERROR)[2] for line in lines if ERROR in line]
        last = [line.strip() for line in lines if line.strip()]
        return (said or last or ["it left no log"])[-1]


@dataclass
class Summary:
    """Jobs that are done, that failed for good, and that are left."""

    status: int = 0
    done: int = 0
    total: int = 0
    failed: list[Failure] = field(default_factory=list)
    finished: Counter[str] = field(default_factory=Counter)
    """How many jobs of each rule were run."""
    _rule: str = ""
    _jobid: str = ""
    _ids: dict[str, Failure] = field(default_factory=dict)

    def read(self, line: str) -> Failure | None:
        """Reads one line of Snakemake's output, and returns the failure that it
        completes."""
        if steps := re.match(r"(\d+) of (\d+) steps", line):
            self.done, self.total = int(steps[1]), int(steps[2])
        elif begun := re.match(r"Error in (?:group|rule) (\S+?):", line):
            self._rule = begun[1]
        elif jobid := re.match(r"    jobid: (\d+)", line):
            self._jobid = jobid[1]
        elif (log := re.match(r"    log: (\S+)", line)) and self._rule:
            failure = Failure(self._rule, log[1].rstrip(","))
            self._rule, self._ids[self._jobid] = "", failure
            if failure not in self.failed:
                self.failed.append(failure)
                return failure
        elif finished := re.match(r"Finished jobid: (\d+) \(Rule: (\w+)", line):
            self.finished[finished[2]] += 1
            if finished[1] in self._ids:  # a later attempt went well
                self.failed.remove(self._ids.pop(finished[1]))
        return None

    def text(self, root: Path) -> str:
        """The failures with their sentences, then what was run, then the counts."""
        left = max(self.total - self.done - len(self.failed), 0)
        lines = []
        for failure in self.failed:
            lines.append(f"failed: {failure.job}: {failure.sentence(root)}")
            lines.append(f"    its log is {failure.log}")
        for rule, jobs in sorted(self.finished.items()):
            lines.append(f"{jobs:6} {rule}")
        lines.append(f"{self.done} jobs done, {len(self.failed)} failed, {left} left")
        return "\n".join(lines)
