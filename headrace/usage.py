"""Token usage, as every endpoint's answer states it (contract 4.2, 4.5, 4.6)."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from operator import add, attrgetter
from typing import Any


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one or more calls. `cached` is part of `prompt`, `reasoning` part of `completion`."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    total_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(*map(add, _tokens(self), _tokens(other)))


_tokens = attrgetter(*(field.name for field in fields(Usage)))  # `astuple` copies deeply
NO_USAGE = Usage()


def usage_of(answer: Mapping[str, Any]) -> Usage | None:
    """The usage an answer's body states, in chat or in Responses words; None when it states none."""
    stated = answer.get("usage")
    if not isinstance(stated, Mapping):
        return None
    prompt = _count(stated, "prompt_tokens", "input_tokens")
    completion = _count(stated, "completion_tokens", "output_tokens")
    return Usage(
        prompt_tokens=prompt,
        cached_tokens=_detail(stated, ("prompt_tokens_details", "input_tokens_details"), "cached_tokens"),
        completion_tokens=completion,
        reasoning_tokens=_detail(
            stated,
            ("completion_tokens_details", "output_tokens_details"),
            "reasoning_tokens",
        ),
        total_tokens=_count(stated, "total_tokens") or prompt + completion,
    )


def _detail(stated: Mapping[str, Any], groups: tuple[str, str], name: str) -> int:
    for group in groups:
        details = stated.get(group)
        if isinstance(details, Mapping):
            return _count(details, name)
    return 0


def _count(values: Mapping[str, Any], *names: str) -> int:
    """The first of `names` that holds a token count; anything else a provider may send counts as 0."""
    for name in names:
        value = values.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31:
            return value
    return 0
