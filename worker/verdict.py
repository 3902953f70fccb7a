"""What an answer, or the lack of one, means for its job. Pure: nothing here waits, draws lots or looks up."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import orjson

from headrace.states import Outcome
from headrace.store.landings import Verb
from headrace.usage import NO_USAGE, Usage, usage_of
from worker.call import Answer, Lost, NotSent, Result

ACCOUNT_PAUSE_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 300.0
LONGEST_BACKOFF_SECONDS = 60.0
DEFAULT_SNOOZE_SECONDS = 2.0
EXCERPT_CHARACTERS = 500
ACCOUNT_STATUSES = frozenset({401, 402, 403, 404})
ONE_REQUEST_STATUSES = frozenset({403, 404})  # where others are answered, it is this request that is refused
TRANSIENT_STATUSES = frozenset({408, 409, 425})
EMPTY_ACCOUNT_CODES = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
    }
)
RESULT_FIELD = {
    "/v1/chat/completions": "choices",
    "/v1/completions": "choices",
    "/v1/embeddings": "data",
    "/v1/responses": "output",
}


class Pause(NamedTuple):
    """Close the quota for everybody; or only the lane, when just its model is refused."""

    seconds: float
    reason: str
    lane_only: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of the job, the attempt and the quota.

    `usage` is None where the provider's charge is not known; `notice` is for the owner of the batch.
    """

    verb: Verb
    outcome: Outcome
    usage: Usage | None = None
    delay_seconds: float = 0.0
    status: int | None = None
    answer: str | None = None
    code: str | None = None
    message: str | None = None
    pause: Pause | None = None
    notice: str | None = None


class Circumstances(NamedTuple):
    """What else decides: the endpoint, attempts with this one, the most allowed, chance in 0..1, the time.

    `welcome`: the last answer in the lane was good, so that key, account and model are in order.
    """

    endpoint: str
    attempts: int
    max_attempts: int
    chance: float
    now: datetime
    welcome: bool = False


def judge(result: Result, around: Circumstances) -> Verdict:
    """The verdict on one call (design, section 8)."""
    if isinstance(result, NotSent):
        return _not_sent(result, around)
    if isinstance(result, Lost):
        return _ambiguous(around, code=result.code, message=result.reason)
    if 200 <= result.status < 300:
        return _answered(result, around)
    return _refused_or_failed(result, around)


def _not_sent(result: NotSent, around: Circumstances) -> Verdict:
    return Verdict(
        Verb.SNOOZE,
        Outcome.NOT_SENT,
        NO_USAGE,
        delay_seconds=DEFAULT_SNOOZE_SECONDS * (1 + around.chance),
        code="not_sent",
        message=_clean(result.reason),
        notice=_clean(f"The provider cannot be reached ({result.reason}); trying on."),
    )


def _answered(answer: Answer, around: Circumstances) -> Verdict:
    body = _json_object(answer.body)
    usage = usage_of(body) if body else None
    field = RESULT_FIELD[around.endpoint]
    if body is None or not isinstance(body.get(field), list) or not body[field]:
        reason = f"The answer has no usable '{field}': {_excerpt(answer.body)}"
        return _ambiguous(around, code="invalid_answer", message=reason, usage=usage)
    return Verdict(Verb.SUCCEED, Outcome.SUCCEEDED, usage, status=answer.status, answer=_text(answer.body))


def _refused_or_failed(answer: Answer, around: Circumstances) -> Verdict:
    error = _error_of(answer.body)
    retry_after = _retry_after_seconds(answer.headers, around.now)
    if answer.status == 429 and _is_too_large(error):
        return _final(answer, error)
    if answer.status in ONE_REQUEST_STATUSES and around.welcome:
        return _final(answer, error)
    if answer.status in ACCOUNT_STATUSES or _is_empty_account(error):
        return _account(answer, error)
    if answer.status == 429 or (answer.status == 503 and retry_after is not None):
        return _snoozed(answer, error, retry_after, around)
    if answer.status >= 500 or answer.status in TRANSIENT_STATUSES:
        return _ambiguous(around, code=_code(error), message=_message(error), answer=answer)
    return _final(answer, error)


def _account(answer: Answer, error: Mapping[str, Any]) -> Verdict:
    """The key, the account or the model is refused: wait for a person, and burn no jobs meanwhile."""
    reason = f"{answer.status}: {_message(error)}"
    return Verdict(
        Verb.SNOOZE,
        Outcome.REFUSED,
        NO_USAGE,
        delay_seconds=ACCOUNT_PAUSE_SECONDS,
        status=answer.status,
        code=_code(error),
        message=_message(error),
        pause=Pause(ACCOUNT_PAUSE_SECONDS, reason, lane_only=answer.status == 404),
        notice=f"The provider refuses ({reason}); asking again every {ACCOUNT_PAUSE_SECONDS:.0f} s.",
    )


def _snoozed(
    answer: Answer, error: Mapping[str, Any], retry_after: float | None, around: Circumstances
) -> Verdict:
    seconds = min(retry_after or DEFAULT_SNOOZE_SECONDS, LONGEST_PAUSE_SECONDS)
    return Verdict(
        Verb.SNOOZE,
        Outcome.REFUSED,
        NO_USAGE,
        delay_seconds=seconds * (1 + around.chance / 4),
        status=answer.status,
        code=_code(error),
        message=_message(error),
        pause=Pause(seconds, f"{answer.status}: {_message(error)}"),
    )


def _ambiguous(
    around: Circumstances,
    *,
    code: str | None,
    message: str,
    usage: Usage | None = None,
    answer: Answer | None = None,
) -> Verdict:
    """It may have been paid for: try again under the job's budget of attempts, with full jitter."""
    again = around.attempts < around.max_attempts
    return Verdict(
        Verb.RETRY if again else Verb.FAIL,
        Outcome.AMBIGUOUS,
        usage,
        delay_seconds=around.chance * min(LONGEST_BACKOFF_SECONDS, 2.0**around.attempts),
        status=answer.status if answer else None,
        answer=_envelope(answer.body, code) if answer and not again else None,
        code=code,
        message=_clean(message),
    )


def _final(answer: Answer, error: Mapping[str, Any]) -> Verdict:
    return Verdict(
        Verb.FAIL,
        Outcome.FAILED,
        usage_of(_json_object(answer.body) or {}) or NO_USAGE,
        status=answer.status,
        answer=_envelope(answer.body, _code(error)),
        code=_code(error),
        message=_message(error),
    )


def _is_empty_account(error: Mapping[str, Any]) -> bool:
    return error.get("type") == "insufficient_quota" or error.get("code") in EMPTY_ACCOUNT_CODES


def _is_too_large(error: Mapping[str, Any]) -> bool:
    """More tokens than the whole limit: waiting cannot help (contract 5.3)."""
    return "request too large" in _message(error).lower()


def _retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds from `retry-after-ms` or `retry-after` (RFC 9110 10.2.3); None when absent or senseless."""
    try:
        if "retry-after-ms" in headers:
            seconds = float(headers["retry-after-ms"]) / 1000
        else:
            seconds = _delay(headers.get("retry-after", ""), now)
    except (ValueError, TypeError, OverflowError):
        return None
    return seconds if 0 < seconds < float("inf") else None


def _delay(value: str, now: datetime) -> float:
    if value.replace(".", "", 1).lstrip("-").isdigit():
        return float(value)
    return (parsedate_to_datetime(value) - now).total_seconds()


def _error_of(body: bytes) -> Mapping[str, Any]:
    document = _json_object(body) or {}
    error = document.get("error", document)
    if isinstance(error, Mapping) and error:
        return error
    return {"message": str(error) if error else _excerpt(body)}


def _message(error: Mapping[str, Any]) -> str:
    return _clean(str(error.get("message") or error.get("detail") or "the provider gave no reason"))


def _code(error: Mapping[str, Any]) -> str | None:
    code = error.get("code") or error.get("type")
    return _clean(str(code)) if code else None


def _envelope(body: bytes, code: str | None) -> str:
    """The provider's body if it is a JSON object, else its beginning as an error envelope."""
    if _json_object(body) is not None:
        return _text(body)
    error = {"message": _excerpt(body), "type": "provider_error", "param": None, "code": code}
    return orjson.dumps({"error": error}).decode()


def _json_object(body: bytes) -> dict[str, Any] | None:
    document = _parsed(body)
    return document if isinstance(document, dict) else None


def _parsed(body: bytes) -> Any:
    """The JSON of a body. orjson refuses half an emoji, which providers write where they cut an answer."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        if b"\\ud" not in body.lower():
            return None
    try:
        return json.loads(body.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _text(body: bytes) -> str:
    return body.decode()  # it was parsed, so it is UTF-8


def _excerpt(body: bytes) -> str:
    return _clean(body[: EXCERPT_CHARACTERS * 4].decode("utf-8", "replace")) or "an empty body"


def _clean(text: str) -> str:
    """Short, and without NUL, which PostgreSQL cannot store."""
    return text.replace("\0", "")[:EXCERPT_CHARACTERS]
