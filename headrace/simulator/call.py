"""What all endpoints have in common: the call that was asked for, its usage, and reading a body's fields."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from headrace.simulator.errors import ApiError, missing, wrong_type

Body = dict[str, Any]

DEFAULT_TIER = "default"
TIERS = (DEFAULT_TIER, "flex", "priority")


@dataclass(slots=True)
class Call:
    """A well-formed request. `text` is the last thing the user said; `answers` how many are to be written.

    `tier` is the tier of service that it gets; `speaks` whether its usage can have audio.
    """

    model: str
    body: Body
    text: str
    prompt_tokens: int
    answers: int = 1
    max_tokens: int | None = None
    effort: str | None = None
    tier: str = DEFAULT_TIER
    speaks: bool = False


class Usage(NamedTuple):
    """Tokens of one call, or of many.

    Those cached, written to a cache, and heard are parts of the prompt, no two of them the same; reasoning
    and what was said are parts of the completion.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cache_write_tokens: int = 0
    prompt_audio_tokens: int = 0
    completion_audio_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Prompt and completion."""
        return self.prompt_tokens + self.completion_tokens

    def as_dict(self) -> dict[str, int]:
        """All eight numbers, flat."""
        return self._asdict() | {"total_tokens": self.total_tokens}


def parse_body(raw: bytes) -> Body:
    """The body's JSON object. Raises ApiError: 400 for anything else, and for `stream: true`."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, f"We could not parse the JSON body of your request: {error}.") from error
    if not isinstance(body, dict):
        raise ApiError(400, "The JSON body of your request must be an object.")
    if body.get("stream"):
        raise ApiError(
            400,
            "The simulator does not stream.",
            param="stream",
            code="unsupported_value",
        )
    return body


def model_of(body: Body) -> str:
    """The model's name. Raises ApiError."""
    model = body.get("model")
    if model is None:
        raise missing("model")
    if not isinstance(model, str) or not model:
        raise wrong_type("model", "a non-empty string")
    return model


def service_tier(body: Body) -> str:
    """The tier of service that a body gets: the one it asks for, if there is such a one."""
    asked = body.get("service_tier")
    if asked == "fast":  # contract 4.1
        return "priority"
    return asked if asked in TIERS else DEFAULT_TIER


def whole_number(body: Body, names: tuple[str, ...], *, most: int | None = None) -> int | None:
    """The first of these parameters that is given, at least 1. Raises ApiError."""
    for name in names:
        value = body.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool):
            raise wrong_type(name, "an integer")
        if value < 1 or (most is not None and value > most):
            bound = "at least 1" if most is None else f"from 1 to {most}"
            raise ApiError(
                400,
                f"Invalid '{name}': it must be {bound}.",
                param=name,
                code="invalid_value",
            )
        return value
    return None
