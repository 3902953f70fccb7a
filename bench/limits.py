"""Limits: nothing is lost, hardly a call meets a 429, and the allowance is used.

The judge is the simulator, which counts a strict rolling minute: its log says what was used, not ours.
`used` is defined at `bench.witness.used_share`, for requests and tokens alike; the limit with the larger share
is the one that binds.
"""

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import witness
from bench.batch_run import BatchRun
from bench.inputs import custom_ids, write_input
from bench.report import Report
from bench.rig import bench_folder, running_stack
from headrace.simulator import SimulatorConfig
from headrace.simulator.process import SimulatorProcess

WORKERS = 2
RPM = 600
TPM = 60_000
JOBS = 900
MOST_REFUSED = 0.001
LEAST_USED = 0.95
SLACK_SECONDS = 60.0


@dataclass(frozen=True)
class Findings:
    """What a run came to. Shares are of 1; `fullest` is the most that any 60 s held."""

    jobs: int
    lost: int
    repeated: int
    calls: int
    refused: int
    requests_used: float
    tokens_used: float
    fullest_requests: int
    fullest_tokens: int

    @property
    def refused_share(self) -> float:
        """429s among the calls."""
        return self.refused / self.calls

    @property
    def binding(self) -> str:
        """The limit that held the queue back."""
        return "RPM" if self.requests_used >= self.tokens_used else "TPM"

    @property
    def used(self) -> float:
        """The used share of the binding allowance."""
        return max(self.requests_used, self.tokens_used)


def measure(console: Console, jobs: int = JOBS) -> Report:
    """Run it: about 100 s with the jobs that the promise names."""
    with bench_folder() as folder:
        found = _findings(jobs, _answers(folder, jobs, console), witness.read_calls(_log(folder)))
    promises = _promises(found)
    broken = [f"{what}: {measured}, promised {promised}" for what, measured, promised, kept in promises if not kept]
    return Report("limits", [_table(promises)], _figures(found), broken)
