"""Limits: no job is lost, hardly a call meets a 429, and the allowance is used and never exceeded.

The judge is the simulator, which enforces a strict rolling minute: all figures on calls are from its log.
The used share of an allowance is defined at `bench.witness.used_share`, for requests and tokens alike; the
limit of which more is used is the one that binds.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.batch_run import BatchRun
from bench.inputs import custom_ids, write_input
from bench.report import Promise, Report
from bench.rig import bench_folder, running_stack
from bench.witness import Call, admitted, read_calls, rolling_maximum, used_share
from headrace.simulator import SimulatorConfig, SimulatorProcess

WORKERS = 2
RPM = 600
TPM = 60_000
JOBS = 900
MOST_REFUSED = 0.001
LEAST_USED = 0.95
SLACK_SECONDS = 60.0


@dataclass(frozen=True)
class Allowance:
    """A limit a minute, the share of it that was used, and the most that any 60 s held."""

    name: str
    limit: int
    used: float
    fullest_minute: int


@dataclass(frozen=True)
class Findings:
    """What a run came to. `lost` jobs have no good answer, `repeated` ones more than one."""

    jobs: int
    lost: int
    repeated: int
    calls: int
    refused: int
    requests: Allowance
    tokens: Allowance

    @property
    def binding(self) -> Allowance:
        """The limit that held the queue back."""
        return max(self.requests, self.tokens, key=lambda allowance: allowance.used)


def measure(console: Console, jobs: int = JOBS) -> Report:
    """Run it: about 100 s with the jobs that the promise names."""
    with bench_folder() as folder:
        log = folder / "simulator.jsonl"
        answers = _answers(console, folder, log, jobs)
        found = findings(list(custom_ids(jobs)), answers, read_calls(log))
    return report(found)


def findings(asked: Collection[str], answers: Counter[str], calls: Sequence[Call]) -> Findings:
    """`answers` counts the good answers by custom id; `calls` are the simulator's."""
    let_in = admitted(calls)
    arrivals, ones, tokens = (
        [call.arrived for call in let_in],
        [1] * len(let_in),
        [call.tokens for call in let_in],
    )
    return Findings(
        jobs=len(asked),
        lost=sum(answers[custom_id] == 0 for custom_id in asked),
        repeated=sum(times > 1 for times in answers.values()),
        calls=len(calls),
        refused=len(calls) - len(let_in),
        requests=_allowance("RPM", RPM, arrivals, ones),
        tokens=_allowance("TPM", TPM, arrivals, tokens),
    )


def report(found: Findings) -> Report:
    """The findings beside what is promised."""
    figures = asdict(found) | {"binding": found.binding.name}
    return Report("limits", [_allowances(found)], figures, _promises(found))


def _answers(console: Console, folder: Path, log: Path, jobs: int) -> Counter[str]:
    source = folder / "input.jsonl"
    write_input(source, jobs)
    seconds = jobs / RPM * 60
    told = f"{jobs} jobs at {RPM} RPM and {TPM} TPM, {WORKERS} workers: about {seconds:.0f} s"
    with (
        SimulatorProcess(SimulatorConfig(rpm=RPM, tpm=TPM, log=log)) as simulator,
        console.status(told) as status,
        running_stack(folder, simulator.base_url, workers=WORKERS, rpm=RPM, tpm=TPM) as stack,
    ):
        run = BatchRun(stack)
        run.submit(source)
        run.wait(2 * seconds + SLACK_SECONDS, status)
        return run.answers()


def _allowance(name: str, limit: int, arrivals: Sequence[float], units: Sequence[int]) -> Allowance:
    return Allowance(name, limit, used_share(arrivals, units, limit), rolling_maximum(arrivals, units))


def _allowances(found: Findings) -> Table:
    table = Table(
        "limit", "a minute", "used while saturated", "fullest 60 s", title=f"limits: {found.jobs} jobs"
    )
    for allowance in (found.requests, found.tokens):
        binds = " (binds)" if allowance is found.binding else ""
        limit, fullest = f"{allowance.limit:,}", f"{allowance.fullest_minute:,}"
        table.add_row(f"{allowance.name}{binds}", limit, f"{allowance.used:.1%}", fullest)
    return table


def _promises(found: Findings) -> list[Promise]:
    refused = found.refused / found.calls
    within = [allowance.fullest_minute <= allowance.limit for allowance in (found.requests, found.tokens)]
    return [
        Promise("jobs lost", str(found.lost), "0", found.lost == 0),
        Promise("custom ids that came back more than once", str(found.repeated), "0", found.repeated == 0),
        Promise(
            "calls that met a 429",
            f"{found.refused} of {found.calls} ({refused:.2%})",
            f"at most {MOST_REFUSED:.1%}",
            refused <= MOST_REFUSED,
        ),
        Promise("both limits kept in any 60 s", "yes" if all(within) else "no", "yes", all(within)),
        *_share_promises(found),
    ]


def _share_promises(found: Findings) -> list[Promise]:
    """What a run of less than a minute shows is the start, when few calls try the account out."""
    if found.calls < RPM:
        return []
    used = found.binding.used
    kept = used >= LEAST_USED
    return [Promise("used share of the binding limit", f"{used:.1%}", f"at least {LEAST_USED:.0%}", kept)]
