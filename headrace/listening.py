"""How a worker listens for hints: it stops at once when asked to, and may have thousands of connections."""

import os
import select
from contextlib import suppress
from functools import cache
from typing import Any, Protocol

from kombu import Connection
from kombu.utils.eventio import ERR, READ, WRITE


class _HasFileno(Protocol):
    def fileno(self) -> int: ...


def stop_listening() -> None:
    """Nobody in this process waits for a message any more. A signal handler may call it."""
    _, bell = _stop()
    os.write(bell, b"!")  # nobody reads it: it rings on


class ListeningConnection(Connection):
    """Waits for messages as Celery asks, but not past `stop_listening`.

    Celery's loop for green threads looks at its stop flag every 2 s, then listens for 2 s more, and then
    waits up to a second until Redis has answered to the last BRPOP.
    """

    def create_transport(self) -> Any:
        """Called by kombu."""
        transport = super().create_transport()
        if hasattr(transport, "cycle"):
            transport.cycle.poller = _Poller()
        return transport

    def close(self) -> None:
        """Close all connections, without waiting for messages."""
        for channel in getattr(self.transport, "channels", None) or ():
            if getattr(channel, "_in_poll", None):
                channel._in_poll = None
                channel.client.connection.disconnect()
        super().close()


class _Poller:
    """What kombu takes beside gevent is select(2), which fails for file descriptors above 1,023."""

    def __init__(self) -> None:
        self._poll = select.poll()

    def register(self, file: int | _HasFileno, events: int) -> None:
        """`events` are those of kombu, which are those of poll(2)."""
        self._poll.register(file, events)

    def unregister(self, file: int | _HasFileno) -> None:
        """Harmless for what is closed or not registered, as kombu's is."""
        with suppress(KeyError, ValueError):
            self._poll.unregister(file)

    def poll(self, timeout: float | None) -> list[tuple[int, int]]:
        """File descriptors that are ready, with their events, after `timeout` seconds at most.

        Raises TimeoutError when nobody shall wait any more.
        """
        stop, _ = _stop()
        self._poll.register(stop, READ)
        ready = self._poll.poll(None if timeout is None else 1000 * timeout)
        if any(descriptor == stop for descriptor, _ in ready):
            raise TimeoutError("this process listens no more")
        return [(descriptor, events & (READ | WRITE) or ERR) for descriptor, events in ready]

    def close(self) -> None:
        """Nothing to be closed."""


@cache
def _stop() -> tuple[int, int]:
    """The two ends of a pipe that says so by something to read in it."""
    return os.pipe()
