"""The job object: ours, for a job without a file has no likeness in the contract."""

from typing import Any, Literal, Self

from pydantic import BaseModel

from api.schemas import Ambiguous, Cost, WireObject, seconds, seconds_or_none
from headrace.models import Attempt, Job
from headrace.money import exact_or_none
from headrace.output import error_of
from headrace.store.bills import NO_BILL, Bill, basis_of


class Reason(BaseModel):
    """Why a job or a call did not succeed, or why a waiting job's last call did not count."""

    code: str | None
    message: str | None


class TokenUsage(BaseModel):
    """Tokens of one call, or of all calls of a job."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    total_tokens: int

    @classmethod
    def of(cls, row: Job | Attempt) -> Self:
        """What the row says."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class CallUsage(TokenUsage):
    """Of one call, with the kinds that some providers bill at rates of their own."""

    cache_write_tokens: int
    prompt_audio_tokens: int
    completion_audio_tokens: int


class CallCost(BaseModel):
    """USD as text. `usd` counts if `basis` is `exact`, `at_most_usd` if it is `at_most` or the call `open`.

    `price` names what the call departed at.
    """

    basis: Literal["exact", "at_most", "unknown", "open"]
    usd: str | None
    at_most_usd: str | None
    price: str | None

    @classmethod
    def of(cls, attempt: Attempt) -> "CallCost":
        """What the row says."""
        return cls(
            basis=basis_of(attempt),
            usd=exact_or_none(attempt.cost_nanos),
            at_most_usd=exact_or_none(attempt.cost_at_most_nanos),
            price=attempt.price_id,
        )


class JobObject(WireObject):
    """A job as lists show it. `attempts` are the calls that count: a refusal for a limit does not.

    `run_at` is when it is due; of a held job, when it was held.
    """

    object: Literal["job"] = "job"
    custom_id: str | None
    batch_id: str | None
    endpoint: str
    model: str
    state: str
    created_at: int
    run_at: int
    finished_at: int | None
    error: Reason | None
    usage: TokenUsage
    ambiguous: Ambiguous
    cost: Cost
    attempts: int

    @classmethod
    def of(cls, job: Job, bill: Bill = NO_BILL) -> "JobObject":
        """What the client sees of a row, and of what its calls cost."""
        return cls(
            id=f"job_{job.id}",
            custom_id=job.custom_id,
            batch_id=job.batch_id,
            endpoint=job.endpoint,
            model=job.lane,
            state=job.state,
            created_at=seconds(job.created_at),
            run_at=seconds(job.run_at),
            finished_at=seconds_or_none(job.finished_at),
            error=_reason(job),
            usage=TokenUsage.of(job),
            ambiguous=Ambiguous(calls=bill.doubtful_calls, tokens_at_most=bill.doubtful_tokens),
            cost=Cost.of(bill.cost_nanos, bill.doubtful_nanos, bill.unpriced_calls),
            attempts=job.attempts,
        )


class JobResponse(BaseModel):
    """The provider's answer as it came."""

    status_code: int
    request_id: str
    body: dict[str, Any]


class CallObject(BaseModel):
    """One call to the provider. Its times are in seconds with a fraction.

    `tokens_at_most` is an upper bound of what it can be billed, which counts while its `usage` is unknown.
    """

    number: int
    departed_at: float
    landed_at: float | None
    outcome: str
    status_code: int | None
    error: Reason | None
    usage: CallUsage
    tokens_at_most: int
    service_tier: str
    cost: CallCost

    @classmethod
    def of(cls, attempt: Attempt) -> "CallObject":
        """What the client sees of a row."""
        return cls(
            number=attempt.number,
            departed_at=attempt.departed_at.timestamp(),
            landed_at=attempt.landed_at.timestamp() if attempt.landed_at else None,
            outcome=attempt.outcome,
            status_code=attempt.status_code,
            error=_reason(attempt),
            usage=CallUsage.of(attempt),
            tokens_at_most=attempt.tokens_at_most,
            service_tier=attempt.service_tier,
            cost=CallCost.of(attempt),
        )


class JobDetail(JobObject):
    """A job with its answer and its calls."""

    response: JobResponse | None
    calls: list[CallObject]


def _reason(row: Job | Attempt) -> Reason | None:
    error = error_of(row)
    return Reason(code=error["code"], message=error["message"]) if error else None
