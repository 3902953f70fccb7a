"""A provider that costs next to nothing: every call is answered with the same words after the same time.

A program of its own: `python -m bench.provider --latency-ms 200`. It says on which port it listens, and ends
when its standard input does. It understands as much HTTP as the clients of the bench speak: requests with a
Content-Length, any number of them on a connection. `GET .../stats` tells what it has seen.
"""

import re
import resource
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from selectors import EVENT_READ, DefaultSelector
from typing import Annotated

import orjson
import typer

from bench.inputs import MODEL

HOST = "127.0.0.1"
BACKLOG = 4096
TICK_SECONDS = 0.001
RECEIVED_BYTES = 256 * 1024
HEAD_END = b"\r\n\r\n"
BODY_LENGTH = re.compile(rb"\r\nContent-Length: *(\d+)", re.IGNORECASE)
SENTENCE = "A third of the gate, until the pond is back at its mark; then half of it, and no more today."
MESSAGE: dict[str, object] = {"role": "assistant", "content": SENTENCE, "refusal": None, "annotations": []}
USAGE = {
    "prompt_tokens": 24,
    "completion_tokens": 23,
    "total_tokens": 47,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}
COMPLETION = {
    "id": "chatcmpl-0123456789abcdef0123456789abcdef",
    "object": "chat.completion",
    "created": 1_790_000_000,
    "model": MODEL,
    "choices": [{"index": 0, "message": MESSAGE, "logprobs": None, "finish_reason": "stop"}],
    "usage": USAGE,
    "service_tier": "default",
}
MODELS = {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": "bench"}]}


def _answer(document: object, status: str = "200 OK") -> bytes:
    body = orjson.dumps(document)
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + HEAD_END + body


ANSWER = _answer(COMPLETION)
MODEL_LIST = _answer(MODELS)
UNMEASURED = _answer({"error": {"message": "a request needs a Content-Length"}}, "411 Length Required")


class Connection:
    """What one client sends, cut into requests."""

    def __init__(self, peer: socket.socket) -> None:
        """`peer` must not block."""
        self.peer = peer
        self._received = b""

    def requests(self) -> Iterator[bytes]:
        """Those that are whole by now. Raises OSError when the client is gone."""
        data = self.peer.recv(RECEIVED_BYTES)
        if not data:
            raise ConnectionResetError("the client hung up")
        self._received += data
        while (head := self._received.find(HEAD_END)) >= 0:
            end = head + len(HEAD_END)
            length = BODY_LENGTH.search(self._received, 0, end)
            end += int(length[1]) if length else 0
            if len(self._received) < end:
                return
            request, self._received = self._received[:end], self._received[end:]
            yield request

    def send(self, answer: bytes) -> None:
        """Answer one request. A client that is gone is noticed when it is read from."""
        with suppress(OSError):
            self.peer.sendall(answer)


class Provider:
    """Answers calls in the order in which they came, each after `latency_seconds`."""

    def __init__(self, listener: socket.socket, latency_seconds: float) -> None:
        """`listener` must not block."""
        self._listener = listener
        self._latency = latency_seconds
        self._selector = DefaultSelector()
        self._waiting: deque[tuple[float, Connection]] = deque()
        self._calls = self._most_in_flight = 0

    def serve(self) -> None:
        """Until standard input ends."""
        self._selector.register(sys.stdin, EVENT_READ)
        self._selector.register(self._listener, EVENT_READ)
        while True:
            self._selector.select(self._seconds_to_next())
            time.sleep(TICK_SECONDS)  # many at once are cheaper, and heads together with their bodies
            for key, _ in self._selector.select(0):
                if key.fileobj is sys.stdin:
                    return
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    self._read(key.data)
            self._answer_due()

    def _seconds_to_next(self) -> float | None:
        return max(0.0, self._waiting[0][0] - time.monotonic()) if self._waiting else None

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            while True:
                peer, _ = self._listener.accept()
                peer.setblocking(False)
                self._selector.register(peer, EVENT_READ, Connection(peer))

    def _read(self, connection: Connection) -> None:
        try:
            for request in connection.requests():
                self._take(connection, request)
        except OSError:
            self._selector.unregister(connection.peer)
            connection.peer.close()

    def _take(self, connection: Connection, request: bytes) -> None:
        if not request.startswith(b"POST"):
            path = request.split(b" ", 2)[1]
            connection.send(self._stats() if path.endswith(b"/stats") else MODEL_LIST)
        elif BODY_LENGTH.search(request) is None:
            connection.send(UNMEASURED)
            raise ConnectionAbortedError("where its body ends is not known")
        else:
            self._calls += 1
            self._waiting.append((time.monotonic() + self._latency, connection))
            self._most_in_flight = max(self._most_in_flight, len(self._waiting))

    def _answer_due(self) -> None:
        # With the same latency, whoever came first is due first.
        waiting, until = self._waiting, time.monotonic()
        while waiting and waiting[0][0] <= until:
            waiting.popleft()[1].send(ANSWER)

    def _stats(self) -> bytes:
        seen = {"calls": self._calls, "most_in_flight": self._most_in_flight}
        return _answer(seen | {"cpu_seconds": time.process_time()})


def main(latency_ms: Annotated[float, typer.Option(min=0)] = 200.0) -> None:
    """Listen until standard input ends."""
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    with socket.create_server((HOST, 0), backlog=BACKLOG) as listener:
        listener.setblocking(False)
        typer.echo(listener.getsockname()[1])
        Provider(listener, latency_ms / 1000).serve()


if __name__ == "__main__":
    typer.run(main)
