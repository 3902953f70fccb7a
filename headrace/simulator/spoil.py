"""Answers that went bad: wrong type, malformed, without usage, far too deep, far too big."""

import zlib
from collections.abc import Callable, Iterator

import orjson

from headrace.simulator.call import Body
from headrace.simulator.reply import Reply

DEEP_LEVELS = 10_000
BLOCK_BYTES = 64 * 1024
REDIRECT_TARGET = "/v1/simulator/redirected"

_PAGE = b"<!doctype html><html><body><h1>502 Bad Gateway</h1><p>simulated proxy</p></body></html>"
_HUGE_START = b'{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"'
_HUGE_END = b'"},"finish_reason":"stop"}]}'


def spoil(kind: str, answer: Body) -> Reply:
    """The reply that a fault makes of a good answer; the good one if the fault spoils the wire or nothing."""
    change = _CHANGES.get(kind)
    return change(answer) if change else Reply(200, orjson.dumps(answer))


def huge_body(total_bytes: int) -> Iterator[bytes]:
    """A JSON answer with a text of about `total_bytes`, in blocks; 0 for one that never ends."""
    yield _HUGE_START
    yield from (b"a" * size for size in _blocks(total_bytes))
    yield _HUGE_END


def gzip_bomb(total_bytes: int) -> Iterator[bytes]:
    """The same, compressed a thousandfold, in one valid gzip member; 0 for one that never ends."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    for block in huge_body(total_bytes):
        yield squeeze.compress(block) + squeeze.flush(zlib.Z_SYNC_FLUSH)
    yield squeeze.flush()


def _blocks(total_bytes: int) -> Iterator[int]:
    left = total_bytes
    while total_bytes == 0 or left > 0:
        yield BLOCK_BYTES if total_bytes == 0 else min(BLOCK_BYTES, left)
        left -= BLOCK_BYTES


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
}
