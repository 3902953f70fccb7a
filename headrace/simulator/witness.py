"""The provider's own log: a JSON line for each request received, and one for what became of it."""

import asyncio
import os
import time
from pathlib import Path

import orjson

from headrace.simulator.visit import Visit, Work

FLUSH_SECONDS = 0.05

# What a client that wants to be recognised sends.
CLIENT_REQUEST_ID = "x-client-request-id"


class Witness:
    """Appends to `path`; with `fsync` each line is on the disk before anything is answered."""

    def __init__(self, path: Path, *, fsync: bool) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._fsync = fsync
        self._lines: list[bytes] = []

    def received(self, visit: Visit) -> None:
        """`usage` and `cost_nanos` are of a sound answer; `body` is a prefix of the body's SHA-256."""
        request, work = visit.request, visit.work
        self._write(
            {
                "event": "received",
                "seq": visit.seq,
                "time": time.time(),
                "request_id": visit.request_id,
                "method": request.method,
                "path": request.path,
                "body": visit.digest[:8].hex(),
                "client_request_id": request.headers.get(CLIENT_REQUEST_ID),
                "model": work.call.model if work else None,
                "service_tier": work.call.tier if work else None,
                "prompt_tokens": work.usage.prompt_tokens if work else None,
                "usage": work.usage.as_dict() if work else None,
                "cost_nanos": _cost(work),
            }
        )

    def ended(self, seq: int, status: int | None, fault: str | None, billed: Work | None) -> None:
        """`status` is None when none was sent; `billed` None when the call costs nothing.

        `cost_nanos` in the line is in 1e-9 USD, and null when the call is billed and its model has no price.
        """
        self._write(
            {
                "event": "ended",
                "seq": seq,
                "time": time.time(),
                "status": status,
                "fault": fault,
                "usage": billed.usage.as_dict() if billed else None,
                "cost_nanos": _cost(billed) if billed else 0,
            }
        )

    def close(self) -> None:
        """Write what is left."""
        self._flush()
        os.close(self._file)

    def _write(self, entry: dict[str, object]) -> None:
        if not self._lines and not self._fsync:
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._flush)
        self._lines.append(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))
        if self._fsync:
            self._flush()
            os.fsync(self._file)

    def _flush(self) -> None:
        data = memoryview(b"".join(self._lines))
        self._lines.clear()
        while data:
            data = data[os.write(self._file, data) :]


def _cost(work: Work | None) -> int | None:
    return work.cost.nanos if work and work.cost else None
