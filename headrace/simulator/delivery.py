"""Getting a reply to the client, or not: the faults of the wire."""

import time

from headrace.simulator.config import SimulatorConfig
from headrace.simulator.connection import Connection
from headrace.simulator.limiter import Limiter
from headrace.simulator.reply import CLOSE, Reply, head, limit_headers
from headrace.simulator.spoil import gzip_bomb, huge_body
from headrace.simulator.visit import Visit

# Bodies without a length.
STREAMED = frozenset({"huge", "gzip-bomb"})
# Nothing is ever said.
SILENT = frozenset({"hang", "timeout", "reset"})


class Delivery:
    """Sends replies, with the headers that every reply has."""

    def __init__(self, config: SimulatorConfig, limiter: Limiter) -> None:
        self._config = config
        self._limiter = limiter

    def send(self, visit: Visit, reply: Reply, kind: str = "") -> None:
        """Send it the way that the fault `kind` wants it."""
        now = time.monotonic()
        extra = limit_headers(now, self._limiter.requests, self._limiter.tokens)
        if not visit.request.keep_alive:
            extra += CLOSE
        start = head(
            reply,
            request_id=visit.request_id,
            millis=int((now - visit.arrived) * 1000),
            extra=extra,
            length=None if kind in STREAMED else len(reply.body),
        )
        body = b"" if visit.request.method == "HEAD" else reply.body
        self._deliver(visit.connection, start, body, kind)

    def _deliver(self, connection: Connection, start: bytes, body: bytes, kind: str) -> None:
        config = self._config
        match kind:
            case "hang" | "timeout":
                connection.close_after(config.hang_seconds)
            case "reset":
                connection.reset()
            case "cut":
                connection.cut(start + body[: len(body) // 2])
            case "drip":
                connection.write(start)
                connection.drip(body, config.drip_seconds)
            case "drip-headers":
                connection.drip(start, config.drip_seconds, body)
            case "huge":
                connection.write(start)
                connection.pump(huge_body(config.huge_bytes))
            case "gzip-bomb":
                connection.write(start)
                connection.pump(gzip_bomb(config.huge_bytes))
            case _:
                connection.respond(start + body)
