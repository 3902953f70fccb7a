"""What came out of several rounds in which all made the same calls, and how that compares."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

from bench.own_run import OwnRun
from bench.pace import Pace


@dataclass
class Findings:
    """The runs of each contestant by name, one a round.

    `load_before` is the machine's load average at the start: well above 0, others disturbed the figures.
    `left_out` names the rivals that are not installed. `provider_us` has the provider's CPU microseconds for
    one call of the bare loop.
    """

    jobs: int
    load_before: float
    bare: list[Pace] = field(default_factory=list)
    ours: dict[str, list[OwnRun]] = field(default_factory=dict)
    rivals: dict[str, list[Pace]] = field(default_factory=dict)
    best_in_flight: dict[str, int] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    provider_us: list[float] = field(default_factory=list)

    def paces(self, name: str) -> list[Pace]:
        """Those of one of ours (first departure to last landing) or of a rival."""
        return [run.calls for run in self.ours[name]] if name in self.ours else self.rivals[name]

    def per_second(self, name: str) -> float:
        """Calls a second."""
        return median(pace.per_second for pace in self.paces(name))

    def cpu_of_bare(self, name: str) -> float:
        """CPU for a call, in that of the bare loop of the same round."""
        return _ratio((pace.cpu_ms for pace in self.paces(name)), (pace.cpu_ms for pace in self.bare))

    def speed_of_bare(self, name: str) -> float:
        """Calls a second, in those of the bare loop of the same round."""
        return _ratio((pace.per_second for pace in self.paces(name)), (pace.per_second for pace in self.bare))

    def times_as_fast(self, name: str, rival: str) -> float:
        """Calls a second, in those of a rival in the same round."""
        return _ratio(
            (pace.per_second for pace in self.paces(name)), (pace.per_second for pace in self.rivals[rival])
        )

    @property
    def succeeded(self) -> int:
        """The fewest jobs that succeeded in a run of ours."""
        return min((run.succeeded for runs in self.ours.values() for run in runs), default=self.jobs)


def _ratio(ours: Iterable[float], theirs: Iterable[float]) -> float:
    return median(mine / other for mine, other in zip(ours, theirs, strict=True))
