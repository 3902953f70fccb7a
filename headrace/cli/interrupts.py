"""Signals: the first one lets what is under way end, the next one does not."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from headrace.embedded import Stack

PATIENCE = "as soon as the calls under way have ended (interrupt again to stop at once)"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interruptible(stack: Stack) -> Iterator[None]:
    """Raises KeyboardInterrupt at the first signal; a signal while the stack stops ends it at once."""

    def react(_number: int, _frame: FrameType | None) -> None:
        if stack.stopping:
            stack.kill()
        else:
            raise KeyboardInterrupt

    replaced = {
        number: signal.signal(number, react)
        for number in SIGNALS
        if signal.getsignal(number) is not signal.SIG_IGN  # a shell's background job ignores Ctrl-C
    }
    try:
        yield
    finally:
        for number, handler in replaced.items():
            signal.signal(number, handler)
