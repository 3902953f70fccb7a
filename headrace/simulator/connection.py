"""One client's connection: requests in, one at a time, and bytes out, well or badly."""

import asyncio
import socket
import struct
from collections.abc import Callable, Iterator
from typing import cast

from headrace.simulator.errors import ApiError
from headrace.simulator.reply import CLOSE, Reply, error_reply, head
from headrace.simulator.request import BadRequest, Request, RequestReader

Action = Callable[[], None]

# How long a client that sent nonsense or too much may go on sending before its connection is closed:
# closing at once would reset it, and the error would never be read.
LINGER_SECONDS = 2.0

# What a socket gave goes through here and is copied at once, so one is enough for all connections. A plain
# Protocol allocates 256 KiB for every read, which costs more than all else that asyncio does for a request.
_RECEIVED = memoryview(bytearray(64 * 1024))


class Connection(asyncio.BufferedProtocol):
    """Calls `handle(request, connection)`, which must end in one of the public ways to answer.

    The next request of the connection is not looked at before that, so answers keep their order.
    """

    def __init__(
        self, handle: Callable[[Request, "Connection"], None], peers: set["Connection"], max_body_bytes: int
    ) -> None:
        self.on_lost: Action | None = None  # called if the client leaves before it was answered
        self._handle = handle
        self._peers = peers
        self._reader = RequestReader(max_body_bytes)
        self._read_ahead_bytes = max_body_bytes
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._current: Request | None = None
        self._advancing = False
        self._refused = False
        self._writable = True
        self._resume: Action | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._peers.add(self)

    def get_buffer(self, _sizehint: int) -> memoryview:
        return _RECEIVED

    def buffer_updated(self, nbytes: int) -> None:
        if self._refused:
            return
        self._reader.feed(_RECEIVED[:nbytes])
        if self._current is None:
            self._advance()
        elif self._reader.waiting_bytes > self._read_ahead_bytes:
            self._transport.pause_reading()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._peers.discard(self)
        self.lost.set_result(None)
        if self._timer is not None:
            self._timer.cancel()
        self._resume = None
        if self.on_lost is not None:
            self.on_lost()

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        resume, self._resume = self._resume, None
        if resume is not None:
            resume()

    def later(self, seconds: float, action: Action) -> None:
        """Act after a while, unless the client leaves; at once if there is nothing to wait for."""
        if seconds <= 0:
            action()
        else:
            self._timer = self._loop.call_later(seconds, action)

    def respond(self, data: bytes) -> None:
        """Send a whole answer, and go on with the next request."""
        self._transport.write(data)
        self._done()

    def cut(self, data: bytes) -> None:
        """Send this much and close."""
        self._transport.write(data)
        self._transport.close()

    def close_after(self, seconds: float) -> None:
        """Say nothing for a while, then close."""
        self.later(seconds, self._transport.close)

    def reset(self) -> None:
        """Close with a TCP reset instead of the usual goodbye."""
        raw: socket.socket = self._transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def abort(self) -> None:
        """Close at once, whatever is still to be sent."""
        self._transport.abort()

    def drip(self, data: bytes, seconds: float, rest: bytes = b"") -> None:
        """Send one byte every `seconds`, and `rest` with the last."""
        if len(data) <= 1:
            self.respond(data + rest)
            return
        self._transport.write(data[:1])
        self.later(seconds, lambda: self.drip(data[1:], seconds, rest))

    def write(self, data: bytes) -> None:
        """Send a part of an answer."""
        self._transport.write(data)

    def pump(self, parts: Iterator[bytes]) -> None:
        """Send parts as an HTTP chunked body, no faster than the client reads."""
        if self._transport.is_closing():
            return
        if not self._writable:
            self._resume = lambda: self.pump(parts)
            return
        part = next(parts, b"")
        data = b"%x\r\n%b\r\n" % (len(part), part)
        if not part:
            self.respond(data)
            return
        self._transport.write(data)
        self._loop.call_soon(self.pump, parts)

    def _done(self) -> None:
        request, self._current, self.on_lost = self._current, None, None
        if request is not None and not request.keep_alive:
            self._transport.close()
            return
        self._transport.resume_reading()
        if not self._writable:
            # A client that sends and never reads gets nothing more until it does.
            self._resume = self._advance
        elif not self._advancing:
            self._advance()

    def _advance(self) -> None:
        # A loop, not a recursion: any number of requests may be waiting, and each be answered at once.
        self._advancing = True
        try:
            while self._current is None and self._writable and not self._transport.is_closing():
                request = self._next() if self._reader.waiting_bytes else None
                if request is None:
                    break
                self._current = request
                self._handle(request, self)
        finally:
            self._advancing = False

    def _next(self) -> Request | None:
        try:
            request = self._reader.next()
        except BadRequest as bad:
            self._refuse(error_reply(ApiError(bad.status, str(bad))))
            return None
        if request is None and self._reader.expects_continue:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return request

    def _refuse(self, reply: Reply) -> None:
        self._refused = True
        start = head(reply, request_id="req_none", millis=0, extra=CLOSE, length=len(reply.body))
        self._transport.write(start + reply.body)
        self._transport.write_eof()
        self.close_after(LINGER_SECONDS)
