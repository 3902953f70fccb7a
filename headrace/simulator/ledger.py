"""What is remembered of each call: counters always, lines in the witness log if there is one."""

import time

from headrace.simulator.bill import Bill
from headrace.simulator.config import SimulatorConfig
from headrace.simulator.delivery import SILENT
from headrace.simulator.faults import SOUND, SPOILT
from headrace.simulator.stats import Stats
from headrace.simulator.visit import Visit, Work
from headrace.simulator.witness import Witness


class Ledger:
    """One method for each thing that happens to a request. Called before the client can see it."""

    def __init__(self, config: SimulatorConfig) -> None:
        self.stats = Stats()
        self.bill = Bill()
        self._witness = Witness(config.log, fsync=config.fsync) if config.log else None

    def close(self) -> None:
        """Write the rest of the log."""
        if self._witness is not None:
            self._witness.close()

    def received(self, visit: Visit) -> None:
        """A request came in; `visit.work` is None if it is no well-formed call."""
        if self._witness is not None:
            self._witness.received(visit)

    def served(self, visit: Visit, status: int) -> None:
        """A page was read, or there was none."""
        self._ended(visit, status)

    def rejected(self, visit: Visit, status: int) -> None:
        """A call was malformed, or without the key."""
        self.stats.rejected += 1
        self._ended(visit, status)

    def rate_limited(self, visit: Visit) -> None:
        """A call did not fit into the limits."""
        self.stats.rate_limited += 1
        self._ended(visit, 429)

    def answered(self, visit: Visit, work: Work, status: int) -> None:
        """A call ends with the answer, or with its fault."""
        kind = work.fault.kind if work.fault else None
        if kind is not None:
            self.stats.faults[kind] += 1
        billed = _is_billed(work)
        if billed:
            self._bill(visit, work, answered=kind is None or kind in SOUND)
        self._ended(visit, None if kind in SILENT else status, kind, work if billed else None)

    def abandoned(self, visit: Visit, work: Work) -> None:
        """The client left before its answer; the work is billed all the same."""
        self.stats.abandoned += 1
        billed = _is_billed(work)
        if billed:
            self._bill(visit, work, answered=False)
        self._ended(visit, None, "abandoned", work if billed else None)

    def _bill(self, visit: Visit, work: Work, *, answered: bool) -> None:
        self.stats.bill(work, answered=answered)
        if work.cost is not None:
            arrived = time.time() - (time.monotonic() - visit.arrived)
            self.bill.add(arrived, work.call.model, work.call.tier, work.cost)

    def _ended(
        self, visit: Visit, status: int | None, fault: str | None = None, billed: Work | None = None
    ) -> None:
        if self._witness is not None:
            self._witness.ended(visit.seq, status, fault, billed)


def _is_billed(work: Work) -> bool:
    return work.fault is None or work.fault.kind in SOUND | SPOILT
