"""A provider that notes when the first byte of each request reached it."""

import re
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.provider import ANSWER, BODY_LENGTH, HEAD_END, HOST, MODEL_LIST

PIECE_BYTES = 65_536
NAME = re.compile(rb'"(call-[-a-z0-9]+)"')


class Arrivals(socketserver.ThreadingTCPServer):
    """Answers every call at once. A call is known by a string in its body that begins with `call-`."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((HOST, 0), _Connection)
        self._at: dict[str, float] = {}
        self._changed = threading.Condition()

    @property
    def base_url(self) -> str:
        """Where it listens, with /v1."""
        return f"http://{HOST}:{self.server_address[1]}/v1"

    def note(self, name: str, at: float) -> None:
        """A request with this name began to come at a monotonic time. The first one counts."""
        with self._changed:
            self._at.setdefault(name, at)
            self._changed.notify_all()

    def time_of(self, name: str, timeout_seconds: float) -> float:
        """When the request with this name began to come. Raises TimeoutError if it does not."""
        with self._changed:
            if not self._changed.wait_for(lambda: name in self._at, timeout_seconds):
                raise TimeoutError(f"{name} did not come within {timeout_seconds:.0f} s")
            return self._at[name]


class _Connection(socketserver.BaseRequestHandler):
    """Requests one after another, as the clients of the bench send them."""

    server: Arrivals

    def handle(self) -> None:
        received, began = b"", 0.0
        while piece := self.request.recv(PIECE_BYTES):
            began = began if received else time.monotonic()
            received += piece
            if _is_whole(received):
                self._answer(received, began)
                received = b""

    def _answer(self, request: bytes, began: float) -> None:
        found = NAME.search(request)
        if found:
            self.server.note(found[1].decode(), began)
        self.request.sendall(ANSWER if request.startswith(b"POST") else MODEL_LIST)


@contextmanager
def arrivals() -> Iterator[Arrivals]:
    """One that runs on a free port of the loopback."""
    with Arrivals() as server:
        thread = threading.Thread(target=server.serve_forever, name="arrivals", daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def _is_whole(received: bytes) -> bool:
    head = received.find(HEAD_END)
    if head < 0:
        return False
    length = BODY_LENGTH.search(received, 0, head + len(HEAD_END))
    return len(received) >= head + len(HEAD_END) + (int(length[1]) if length else 0)
