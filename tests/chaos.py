"""A network that misbehaves on request: a TCP proxy before a provider, a database or Redis."""

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlsplit, urlunsplit

CHUNK_BYTES = 64 * 1024
DRIPS_A_SECOND = 20
DEADLINE_SECONDS = 10.0
HOST = "127.0.0.1"

Kind = Literal["pass", "delay", "drip", "blackhole", "reset", "truncate", "garbage", "refuse"]


@dataclass(frozen=True, slots=True)
class Mode:
    """What becomes of bytes. `amount`: seconds of delay, bytes a second of a drip, bytes of a cut answer."""

    kind: Kind
    amount: float = 0.0


class ChaosProxy:
    """`with ChaosProxy("127.0.0.1", 5432) as proxy: proxy.blackhole()`, with `proxy.port` before that one.

    Each of its modes is for open connections and for new ones, and in force when its method returns.
    """

    def __init__(self, host: str, port: int) -> None:
        """The server behind it may come and go."""
        self.port = 0
        self.accepted = 0
        self._target = (host, port)
        self._mode = Mode("pass")
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._thread = threading.Thread(target=self._run, name="chaos", daemon=True)

    @classmethod
    def before(cls, url: str) -> Self:
        """One before the server of a URL; `through` makes the URL of the way through it."""
        parts = urlsplit(url)
        return cls(parts.hostname or HOST, parts.port or 0)

    def through(self, url: str) -> str:
        """The same URL, through this proxy."""
        parts = urlsplit(url)
        account = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        return urlunsplit(parts._replace(netloc=f"{account}{HOST}:{self.port}"))

    def heal(self) -> None:
        """Everything passes; what a blackhole held comes late, as after a broken link."""
        self._become(Mode("pass"))

    def delay(self, seconds: float) -> None:
        """Every piece comes so much later, in both directions."""
        self._become(Mode("delay", seconds))

    def drip(self, bytes_a_second: float) -> None:
        """No direction of a connection carries more."""
        self._become(Mode("drip", bytes_a_second))

    def blackhole(self) -> None:
        """Connections are accepted and bytes acknowledged, and nothing goes on, not even a close."""
        self._become(Mode("blackhole"))

    def reset(self) -> None:
        """Open connections are reset now, and new ones at once."""
        self._become(Mode("reset"))

    def truncate(self, after_bytes: int) -> None:
        """From now on each connection carries so many bytes to the client and is closed then."""
        self._become(Mode("truncate", after_bytes))

    def garbage(self) -> None:
        """The client receives as many bytes as were sent, but others."""
        self._become(Mode("garbage"))

    def refuse(self) -> None:
        """Nobody listens any more, and open connections are closed."""
        self._become(Mode("refuse"))

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._become(Mode("refuse"))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE_SECONDS)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()

    def _become(self, mode: Mode) -> None:
        self._call(self._switch(mode))

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE_SECONDS)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, HOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _switch(self, mode: Mode) -> None:
        self._mode = mode
        self._changed.set()
        self._changed = asyncio.Event()
        if mode.kind == "refuse" and self._server:
            self._server.close()
            self._server = None
        elif mode.kind != "refuse" and not self._server:
            await self._listen()
        for connection in list(self._connections):
            connection.left_bytes = mode.amount
            if mode.kind in ("reset", "refuse"):
                connection.end(reset=mode.kind == "reset")
        if mode.kind == "refuse":
            await asyncio.gather(*(connection.task for connection in self._connections))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        connection = _Connection(self, reader, writer, self._mode.amount)
        self._connections.add(connection)
        try:
            if self._mode.kind == "reset":
                connection.end(reset=True)
            await self.passable()
            await connection.carry(self._target)
        except (OSError, asyncio.CancelledError):
            connection.end(reset=False)
        finally:
            self._connections.discard(connection)

    async def passable(self) -> Mode:
        """The mode, once it is not that of a blackhole."""
        while self._mode.kind == "blackhole":
            await self._changed.wait()
        return self._mode

    async def sleep(self, seconds: float) -> None:
        """Not longer than the mode lasts."""
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            return


class _Connection:
    """One client's connection and ours to the server."""

    def __init__(
        self,
        proxy: ChaosProxy,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        left_bytes: float,
    ) -> None:
        """Made by the task that serves it."""
        self.left_bytes = left_bytes
        self.task: asyncio.Task[Any] = asyncio.current_task()  # type: ignore[assignment]
        self._proxy = proxy
        self._reader = reader
        self._writers = [writer]
        self._random = random.Random(0)

    async def carry(self, target: tuple[str, int]) -> None:
        """Both directions, until both have ended."""
        reader, writer = await asyncio.open_connection(*target)
        self._writers.append(writer)
        up = self._pump(self._reader, writer, to_client=False)
        down = self._pump(reader, self._writers[0], to_client=True)
        try:
            await asyncio.gather(up, down)
        finally:
            self.end(reset=False)

    def end(self, *, reset: bool) -> None:
        """Close both sides: with a TCP reset, or as programs do it."""
        for writer in self._writers:
            if reset:
                raw: socket.socket = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            else:
                writer.close()
        if self.task is not asyncio.current_task():
            self.task.cancel()

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, to_client: bool
    ) -> None:
        while piece := await source.read(CHUNK_BYTES):
            mode = await self._proxy.passable()
            if mode.kind == "delay":
                await self._proxy.sleep(mode.amount)
            elif mode.kind == "drip":
                piece = await self._drip(piece, sink, mode.amount)
            elif mode.kind == "truncate" and to_client:
                piece, rest = piece[: int(self.left_bytes)], piece[int(self.left_bytes) :]
                self.left_bytes -= len(piece)
                if rest or not self.left_bytes:
                    sink.write(piece)
                    raise ConnectionAbortedError
            elif mode.kind == "garbage" and to_client:
                piece = self._random.randbytes(len(piece))
            await self._proxy.passable()
            sink.write(piece)
            await sink.drain()
        await self._proxy.passable()
        sink.write_eof()

    async def _drip(self, piece: bytes, sink: asyncio.StreamWriter, bytes_a_second: float) -> bytes:
        """Returns what is left when the mode has changed."""
        size = max(1, int(bytes_a_second / DRIPS_A_SECOND))
        mode = Mode("drip", bytes_a_second)
        while piece and await self._proxy.passable() == mode:
            await self._proxy.sleep(size / bytes_a_second)
            sink.write(piece[:size])
            await sink.drain()
            piece = piece[size:]
        return piece
