"""Answers to judge, and what stands around them."""

from datetime import UTC, datetime
from typing import Any

import orjson

from headrace.usage import Usage
from worker.call import Answer
from worker.verdict import Circumstances

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
COUNTED = Usage(prompt_tokens=7, completion_tokens=5, total_tokens=12)
CHOICES = [{"message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}]


def around(
    endpoint: str = "/v1/chat/completions", *, attempts: int = 1, max_attempts: int = 3, chance: float = 0.0
) -> Circumstances:
    """A first attempt of three, and no luck in the draw."""
    return Circumstances(endpoint, attempts, max_attempts, chance, NOW)


def answer(status: int, body: Any = b"", **headers: str) -> Answer:
    """`body` is bytes or what becomes JSON; in the names of headers _ stands for -."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)


def error(
    status: int,
    message: str = "No.",
    *,
    kind: str = "invalid_request_error",
    code: str | None = None,
    **headers: str,
) -> Answer:
    """An error as OpenAI writes it."""
    body = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return answer(status, body, **headers)
