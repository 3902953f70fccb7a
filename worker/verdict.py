"""What an answer, or the lack of one, means for its job. Pure: nothing here waits, draws lots or looks up."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from headrace.bodies import RESPONSES
from headrace.states import Outcome
from headrace.store.landings import Verb
from headrace.usage import NO_USAGE, Usage, service_tier_of, usage_of
from worker.answers import (
    clean,
    code_of,
    error_in,
    excerpt,
    in_envelope,
    is_empty_account,
    is_too_large,
    json_object,
    message_of,
    redirect_of,
    retry_after_seconds,
    says_when,
    text_of,
)
from worker.call import Answer, Lost, NotSent, Result

ACCOUNT_PAUSE_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 300.0
LONGEST_BACKOFF_SECONDS = 60.0
DEFAULT_SNOOZE_SECONDS = 2.0
SHORTEST_SNOOZE_SECONDS = 0.05
REDIRECTS = frozenset({301, 302, 303, 307, 308})  # a base URL that is not the provider's, or a page to log in
LANE_STATUSES = REDIRECTS | {404}  # a model or a path; other lanes of the quota may be well
ACCOUNT_STATUSES = REDIRECTS | {401, 402, 403, 404}
ONE_REQUEST_STATUSES = REDIRECTS | {403, 404}  # where others are answered, it is this request that is refused
TRANSIENT_STATUSES = frozenset({408, 409, 425})
BUSY_STATUSES = frozenset({503, 529})  # with a time to come back at, else they are failures like others
RESULT_FIELD = {
    "/v1/chat/completions": "choices",
    "/v1/completions": "choices",
    "/v1/embeddings": "data",
    RESPONSES: "output",
}


class Pause(NamedTuple):
    """Close the quota for everybody; or only the lane, when just its model is refused.

    `refused`: it was not too fast, its account is not accepted.
    """

    seconds: float
    reason: str
    lane_only: bool = False
    refused: bool = False


class Verdict(NamedTuple):
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
    service_tier: str = ""


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
        message=clean(result.reason),
        notice=clean(f"The provider cannot be reached ({result.reason}); trying on."),
    )


def _answered(answer: Answer, around: Circumstances) -> Verdict:
    body = json_object(answer.body)
    usage = usage_of(body) if body else None
    tier = service_tier_of(body) if body else ""
    if body is not None and _is_result(body, around.endpoint, usage):
        return Verdict(
            Verb.SUCCEED,
            Outcome.SUCCEEDED,
            usage,
            status=answer.status,
            answer=text_of(answer.body),
            service_tier=tier,
        )
    ambiguous = _ambiguous(
        around,
        code="invalid_answer",
        message=f"The answer has no usable '{RESULT_FIELD[around.endpoint]}': {excerpt(answer.body)}",
        usage=usage,
        status=answer.status,
        answer=None if body is None else text_of(answer.body),
    )
    return ambiguous._replace(service_tier=tier)


def _is_result(body: Mapping[str, Any], endpoint: str, usage: Usage | None) -> bool:
    """Whether it is the endpoint's object. An empty list of results is one too if it was paid for.

    A response that is incomplete or failed has no output, and says so itself (contract 4.6).
    """
    results = body.get(RESULT_FIELD[endpoint])
    if not isinstance(results, list):
        return False
    if endpoint == RESPONSES and isinstance(body.get("status"), str):
        return True
    is_paid = usage not in (None, NO_USAGE) and not body.get("error")
    return bool(results) or is_paid


def _refused_or_failed(answer: Answer, around: Circumstances) -> Verdict:
    is_redirect = answer.status in REDIRECTS
    error = redirect_of(answer.headers) if is_redirect else error_in(answer.body)
    if answer.status == 429 and is_too_large(error):
        return _final(answer, error)
    if answer.status in ONE_REQUEST_STATUSES and around.welcome:
        return _final(answer, error)
    if answer.status in ACCOUNT_STATUSES or is_empty_account(error):
        return _account(answer, error)
    if answer.status == 429 or (answer.status in BUSY_STATUSES and says_when(answer.headers)):
        return _snoozed(answer, error, around)
    if answer.status >= 500 or answer.status in TRANSIENT_STATUSES:
        return _ambiguous(
            around,
            code=code_of(error),
            message=message_of(error),
            usage=usage_of(json_object(answer.body) or {}),
            status=answer.status,
            answer=in_envelope(answer.body, code_of(error)),
        )
    return _final(answer, error)


def _account(answer: Answer, error: Mapping[str, Any]) -> Verdict:
    """The key, the account or the model is refused: wait for a person, and burn no jobs meanwhile."""
    reason = f"{answer.status}: {message_of(error)}"
    return Verdict(
        Verb.SNOOZE,
        Outcome.REFUSED,
        NO_USAGE,
        delay_seconds=ACCOUNT_PAUSE_SECONDS,
        status=answer.status,
        code=code_of(error),
        message=message_of(error),
        pause=Pause(ACCOUNT_PAUSE_SECONDS, reason, lane_only=answer.status in LANE_STATUSES, refused=True),
        notice=f"The provider refuses ({reason}); asking again every {ACCOUNT_PAUSE_SECONDS:.0f} s.",
    )


def _snoozed(answer: Answer, error: Mapping[str, Any], around: Circumstances) -> Verdict:
    """Too fast for the provider: nobody comes back before it says, nor sooner than is sane."""
    told = retry_after_seconds(answer.headers, around.now) or DEFAULT_SNOOZE_SECONDS
    seconds = min(max(told, SHORTEST_SNOOZE_SECONDS), LONGEST_PAUSE_SECONDS)
    return Verdict(
        Verb.SNOOZE,
        Outcome.REFUSED,
        NO_USAGE,
        delay_seconds=seconds * (1 + around.chance / 4),
        status=answer.status,
        code=code_of(error),
        message=message_of(error),
        pause=Pause(seconds, f"{answer.status}: {message_of(error)}"),
    )


def _ambiguous(
    around: Circumstances,
    *,
    code: str | None,
    message: str,
    usage: Usage | None = None,
    status: int | None = None,
    answer: str | None = None,
) -> Verdict:
    """It may have been paid for: try again under the job's budget of attempts, with full jitter.

    `answer` is kept if this was the last attempt.
    """
    again = around.attempts < around.max_attempts
    return Verdict(
        Verb.RETRY if again else Verb.FAIL,
        Outcome.AMBIGUOUS,
        usage,
        delay_seconds=around.chance * min(LONGEST_BACKOFF_SECONDS, 2.0**around.attempts),
        status=status,
        answer=None if again else answer,
        code=code,
        message=clean(message),
    )


def _final(answer: Answer, error: Mapping[str, Any]) -> Verdict:
    return Verdict(
        Verb.FAIL,
        Outcome.FAILED,
        usage_of(json_object(answer.body) or {}) or NO_USAGE,
        status=answer.status,
        answer=in_envelope(answer.body, code_of(error)),
        code=code_of(error),
        message=message_of(error),
    )
