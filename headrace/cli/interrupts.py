"""Signals: the first one lets what is under way end, the next one does not."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from headrace.embedded import Stack

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """Somebody wants this process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


@contextmanager
def interruptible(stack: Stack) -> Iterator[None]:
    """Raises Interrupted at the first signal; a signal while the stack stops ends it at once."""

    def react(number: int, _frame: FrameType | None) -> None:
        if stack.stopping:
            stack.kill()
        else:
            raise Interrupted(number)

    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, react)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
