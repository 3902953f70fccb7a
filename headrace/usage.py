"""Token usage, as every endpoint's answer states it (contract 4.2, 4.5, 4.6)."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from operator import add, attrgetter
from typing import Any

from headrace.exact_json import loads_rounded


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one or more calls.

    Those cached, written to a cache, and heard are parts of `prompt`; reasoning and what was said of
    `completion`.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    total_tokens: int = 0
    cache_write_tokens: int = 0
    prompt_audio_tokens: int = 0
    completion_audio_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(*map(add, _tokens(self), _tokens(other)))


_tokens = attrgetter(*(field.name for field in fields(Usage)))  # `astuple` copies deeply
NO_USAGE = Usage()
SUMMED = ("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens", "total_tokens")
"""What jobs and batches show; attempts, and the sums of them, have all."""

PROMPT_DETAILS = ("prompt_tokens_details", "input_tokens_details")
COMPLETION_DETAILS = ("completion_tokens_details", "output_tokens_details")
SERVICE_TIERS = frozenset({"auto", "default", "standard", "flex", "priority", "scale", "batch", "fast"})


def usage_of(answer: Mapping[str, Any]) -> Usage | None:
    """The usage an answer's body states, in chat or in Responses words; None when it states none."""
    stated = answer.get("usage")
    if not isinstance(stated, Mapping):
        return None
    prompt = _count(stated, "prompt_tokens", "input_tokens")
    completion = _count(stated, "completion_tokens", "output_tokens")
    return Usage(
        prompt_tokens=prompt,
        cached_tokens=_detail(stated, PROMPT_DETAILS, "cached_tokens"),
        completion_tokens=completion,
        reasoning_tokens=_detail(stated, COMPLETION_DETAILS, "reasoning_tokens"),
        total_tokens=_count(stated, "total_tokens") or prompt + completion,
        cache_write_tokens=_detail(stated, PROMPT_DETAILS, "cache_write_tokens"),
        prompt_audio_tokens=_detail(stated, PROMPT_DETAILS, "audio_tokens"),
        completion_audio_tokens=_detail(stated, COMPLETION_DETAILS, "audio_tokens"),
    )


def service_tier_of(answer: Mapping[str, Any]) -> str:
    """How it was served (contract 4.2): empty if it does not say, `other` if nobody knows such a tier."""
    stated = answer.get("service_tier")
    if not isinstance(stated, str) or not stated:
        return ""
    return stated if stated in SERVICE_TIERS else "other"


def service_tier_asked(body: str) -> str:
    """How a request's body (JSON) wants to be served; empty if it does not say."""
    return service_tier_of(loads_rounded(body)) if '"service_tier"' in body else ""


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
