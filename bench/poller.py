"""Polls at a fixed rate, whatever the answers do: each poll has its time, and its latency counts from then.

A program of its own: `python -m bench.poller URL KEY PATH`. For each line of standard input, a number of
seconds, it polls for so long and prints what came of it as a line of JSON; it ends with its input. A poll
goes out on a connection that is free, or on a new one, and connections are kept until the time is over.
"""

import asyncio
import re
import sys
import time
from typing import Annotated
from urllib.parse import urlsplit

import orjson
import typer

RATE = 200.0
ANSWER_SECONDS = 10.0
HEAD_END = b"\r\n\r\n"
BODY_LENGTH = re.compile(rb"\r\nContent-Length: *(\d+)", re.IGNORECASE)
OK = b"HTTP/1.1 200 "


class Connection(asyncio.Protocol):
    """One poll at a time."""

    def __init__(self) -> None:
        self._received = b""
        self._answered: asyncio.Future[bytes]
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._received += data
        head = self._received.find(HEAD_END)
        length = BODY_LENGTH.search(self._received) if head >= 0 else None
        if length and len(self._received) >= head + len(HEAD_END) + int(length[1]):
            answer, self._received = self._received, b""
            if not self._answered.done():
                self._answered.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        if hasattr(self, "_answered") and not self._answered.done():
            self._answered.set_exception(exc or ConnectionResetError("closed by the server"))

    async def ask(self, request: bytes) -> bytes:
        """Send a request and wait for its answer. Raises TimeoutError or another OSError."""
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        async with asyncio.timeout(ANSWER_SECONDS):
            return await self._answered

    def close(self) -> None:
        """Hang up."""
        self._transport.close()


class Poller:
    """Connections to one server, and the poll that is sent on each."""

    def __init__(self, base_url: str, key: str, path: str) -> None:
        parts = urlsplit(base_url)
        head = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {key}"
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._request = head.encode() + HEAD_END
        self._free: list[Connection] = []
        self._latencies: list[float] = []
        self._failed = 0

    async def poll(self, seconds: float, rate: float) -> dict[str, object]:
        """Poll so often a second for so long: the milliseconds of those that succeeded, how many did not."""
        self._latencies, self._failed = [], 0
        began = time.monotonic()
        async with asyncio.TaskGroup() as polls:
            for number in range(round(seconds * rate)):
                due = began + number / rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                polls.create_task(self._poll(due))
        while self._free:  # the server does not wait for the next line
            self._free.pop().close()
        return {"ms": [1000 * latency for latency in self._latencies], "failed": self._failed}

    async def _poll(self, due: float) -> None:
        try:
            connection = self._free.pop() if self._free else await self._connect()
            answer = await connection.ask(self._request)
        except OSError:
            self._failed += 1
            return
        if answer.startswith(OK):
            self._latencies.append(time.monotonic() - due)
            self._free.append(connection)
        else:
            self._failed += 1
            connection.close()

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        return (await loop.create_connection(Connection, self._host, self._port))[1]


def main(base_url: str, key: str, path: str, rate: Annotated[float, typer.Option(min=1)] = RATE) -> None:
    """Poll as standard input says."""
    with asyncio.Runner() as runner:
        poller = Poller(base_url, key, path)
        for line in sys.stdin:
            typer.echo(orjson.dumps(runner.run(poller.poll(float(line), rate))))


if __name__ == "__main__":
    typer.run(main)
