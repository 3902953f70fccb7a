"""I9: no key, prompt or answer in logs, in Redis, in the bodies of errors."""

import base64
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import redis as redis_py

BASE64_BODY = re.compile(rb'"body": ?"([A-Za-z0-9+/=]+)"')


def leaks(
    secrets: Collection[str],
    *,
    logs: Iterable[Path] = (),
    bodies: Iterable[str] = (),
    redis: "redis_py.Redis | None" = None,
) -> list[str]:
    """Where one of `secrets` stands and must not. A folder among `logs` stands for all files in it."""
    found: list[str] = []
    for secret in secrets:
        wanted = secret.encode()
        found += [
            f"I9 {secret[:12]!r} is in {path.name}" for path in _files(logs) if wanted in path.read_bytes()
        ]
        found += [f"I9 {secret[:12]!r} is in the body {body[:80]!r}" for body in bodies if secret in body]
    for key, content in _entries(redis) if redis is not None and secrets else ():
        whole = b"".join((key, content, *map(base64.b64decode, BASE64_BODY.findall(content))))
        found += [
            f"I9 {secret[:12]!r} is in Redis: {key!r}" for secret in secrets if secret.encode() in whole
        ]
    return found


def _files(logs: Iterable[Path]) -> list[Path]:
    return [
        file for path in logs for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()
    ]


def _entries(client: "redis_py.Redis") -> Iterator[tuple[bytes, bytes]]:
    """Each key with all that it holds; a client that decodes is as good as one that does not."""
    for key in list(client.scan_iter()):
        yield _bytes(key), _bytes(_held(client, key))


def _held(client: Any, key: Any) -> Any:
    readers = {
        b"string": lambda: client.get(key),
        b"hash": lambda: client.hgetall(key),
        b"list": lambda: client.lrange(key, 0, -1),
        b"set": lambda: client.smembers(key),
        b"zset": lambda: client.zrange(key, 0, -1),
        b"none": lambda: b"",  # gone meanwhile
    }
    return readers[_bytes(client.type(key))]()


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, dict):
        return b" ".join(_bytes(part) for item in value.items() for part in item)
    if isinstance(value, list | tuple | set):
        return b" ".join(map(_bytes, value))
    return b"" if value is None else str(value).encode()
