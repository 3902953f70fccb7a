"""All checks at the same time, each for itself: none stops or holds up another."""

import threading
import time
from collections.abc import Sequence

from headrace.doctor.findings import Check, Finding, wrong

PATIENCE_SECONDS = 20.0


def examine(checks: Sequence[Check], patience_seconds: float = PATIENCE_SECONDS) -> list[Finding]:
    """What the checks found, in their order; one that has not ended after `patience_seconds` is given up."""
    looks = [_Look(check) for check in checks]
    for look in looks:
        look.start()
    end = time.monotonic() + patience_seconds
    for look in looks:
        look.join(max(0.0, end - time.monotonic()))
    return [finding for look in looks for finding in look.result(patience_seconds)]


class _Look(threading.Thread):
    """A daemon: one that hangs in a system call does not keep the process."""

    def __init__(self, check: Check) -> None:
        super().__init__(name=f"headrace-doctor-{check.subject}", daemon=True)
        self._check = check
        self._found: list[Finding] = []

    def run(self) -> None:
        try:
            for finding in self._check.look():
                self._found.append(finding)
        except Exception as error:  # noqa: BLE001 - it becomes a finding, and the other checks go on
            what = f"cannot be examined: {type(error).__name__}: {error}"
            self._found.append(wrong(self._check.subject, what, "this is a fault of headrace: report it"))

    def result(self, patience_seconds: float) -> list[Finding]:
        found = list(self._found)
        if self.is_alive():
            what = f"no answer within {patience_seconds:g} s"
            found.append(wrong(self._check.subject, what, "see whether it hangs, or the network to it"))
        return found
