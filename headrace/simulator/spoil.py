"""Answers that went bad: wrong type, malformed, without usage, far too deep, far too big."""

import struct
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache, partial

import orjson

from headrace.simulator.call import Body
from headrace.simulator.errors import ApiError
from headrace.simulator.faults import PAID
from headrace.simulator.reply import Reply

DEEP_LEVELS = 10_000
REDIRECT_TARGET = "/v1/simulator/redirected"

_BLOCK = b"a" * 64 * 1024
_EMPTY_LAST_BLOCK = b"\x03\x00"
_PAGE = b"<!doctype html><html><body><h1>502 Bad Gateway</h1><p>simulated proxy</p></body></html>"
_HUGE_START = b'{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"'
_HUGE_END = b'"},"finish_reason":"stop"}]}'


def spoil(kind: str, answer: Body) -> Reply:
    """The reply that a fault makes of a good answer; the good one if the fault spoils the wire or nothing."""
    change = _CHANGES.get(kind)
    return change(answer) if change else Reply(200, orjson.dumps(answer))


def huge_body(total_bytes: int) -> Iterator[bytes]:
    """A JSON answer with a text of `total_bytes`, in blocks; 0 for one that never ends."""
    yield _HUGE_START
    left = total_bytes
    while total_bytes == 0 or left > 0:
        yield _BLOCK if total_bytes == 0 or left >= len(_BLOCK) else _BLOCK[:left]
        left -= len(_BLOCK)
    yield _HUGE_END


def gzip_bomb(total_bytes: int) -> Iterator[bytes]:
    """The same, nearly a thousand times smaller, in one valid gzip member (RFC 1952)."""
    yield b"\x1f\x8b\x08" + bytes(6) + b"\xff"
    checksum = length = 0
    for block in huge_body(total_bytes):
        checksum = zlib.crc32(block, checksum)
        length += len(block)
        yield _deflated(block)
    yield _EMPTY_LAST_BLOCK + struct.pack("<II", checksum, length % 2**32)


# Deflated for itself a block can be sent again and again: the simulator stays quick while it throws bombs.
@lru_cache(maxsize=16)
def _deflated(block: bytes) -> bytes:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return squeeze.compress(block) + squeeze.flush(zlib.Z_FULL_FLUSH)


def _html(_: Body) -> Reply:
    return Reply(200, _PAGE, content_type="text/html; charset=utf-8")


def _garbage(answer: Body) -> Reply:
    # The length is honest, the JSON is not: it ends in the middle of things.
    whole = orjson.dumps(answer)
    return Reply(200, whole[: len(whole) * 2 // 3] + b"}]\x00")


def _empty(answer: Body) -> Reply:
    for name in ("choices", "output", "data"):
        if name in answer:
            answer[name] = []
    return Reply(200, orjson.dumps(answer))


def _nousage(answer: Body) -> Reply:
    return Reply(200, orjson.dumps({name: value for name, value in answer.items() if name != "usage"}))


def _nan(answer: Body) -> Reply:
    answer["usage"]["total_tokens"] = "NaN"
    return Reply(200, orjson.dumps(answer).replace(b'"total_tokens":"NaN"', b'"total_tokens":NaN'))


def _paid(status: int, answer: Body) -> Reply:
    error = ApiError(status, "The answer was withheld, and is billed.", kind="server_error", code="withheld")
    return Reply(status, orjson.dumps(error.envelope | {"usage": answer["usage"]}))


def _deep(_: Body) -> Reply:
    return Reply(200, b'{"choices":' + b"[" * DEEP_LEVELS + b"]" * DEEP_LEVELS + b"}")


def _redirect(_: Body) -> Reply:
    return Reply(302, b"", headers=(("location", REDIRECT_TARGET),))


def _gzipped(_: Body) -> Reply:
    return Reply(200, b"", headers=(("content-encoding", "gzip"),))


_CHANGES: dict[str, Callable[[Body], Reply]] = {
    "html": _html,
    "garbage": _garbage,
    "empty": _empty,
    "nousage": _nousage,
    "nan": _nan,
    "deep": _deep,
    "redirect": _redirect,
    "gzip-bomb": _gzipped,
    **{kind: partial(_paid, status) for kind, status in PAID.items()},
}
