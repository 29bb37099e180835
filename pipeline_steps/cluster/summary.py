"""What came of a run, gathered from what Snakemake says while it runs."""

import re
from dataclasses import dataclass, field
from pathlib import Path

LAST_LINES = 5


@dataclass
class Summary:
    """Jobs that are done, that failed for good, and that are left."""

    status: int = 0
    done: int = 0
    total: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    """For each failed job its log, by rule and wildcards where they are told."""
    _rule: str = ""
    _jobid: str = ""
    _ids: dict[str, str] = field(default_factory=dict)

    def read(self, line: str) -> None:
        """One line of what Snakemake says."""
        steps = re.match(r"(\d+) of (\d+) steps", line)
        if steps:
            self.done, self.total = int(steps[1]), int(steps[2])
        begun = re.match(r"Error in (?:group|rule) (\S+?):", line)
        if begun:
            self._rule = begun[1]
        jobid = re.match(r"    jobid: (\d+)", line)
        if jobid:
            self._jobid = jobid[1]
        log = re.match(r"    log: (\S+)", line)
        if log and self._rule:
            name = f"{self._rule} {Path(log[1]).with_suffix('')}"
            self.failed[name] = log[1].rstrip(",")
            self._ids[self._jobid] = name
            self._rule = ""
        finished = re.match(r"Finished jobid: (\d+)", line)
        if finished and finished[1] in self._ids:  # a later attempt went well
            self.failed.pop(self._ids.pop(finished[1]), None)

    def text(self, root: Path) -> str:
        """The summary as a person reads it, with the end of each failed job's log."""
        left = max(self.total - self.done - len(self.failed), 0)
        lines = [f"{self.done} jobs done, {len(self.failed)} failed, {left} left"]
        for name, log in self.failed.items():
            lines.append(f"failed: {name.split(' ')[0]}, log {log}")
            path = root / log
            told = path.read_text(errors="replace") if path.is_file() else "(no log)"
            lines += [f"    {line}" for line in told.strip().splitlines()[-LAST_LINES:]]
        return "\n".join(lines)
