"""The object `estimate`, as it goes over the wire."""

from typing import Literal

from pydantic import BaseModel


class TokenRange(BaseModel):
    """Tokens if answers are short, as is expected, and if they are long."""

    low: int
    expected: int
    high: int


class CostRange(BaseModel):
    """USD as text, for these."""

    low_usd: str
    expected_usd: str
    high_usd: str


class EstimateShare(BaseModel):
    """Sums. `cost` is that of requests with a known price, and null if there are none."""

    requests: int
    prompt_tokens: int
    prompt_tokens_exact: bool
    completion_tokens: TokenRange
    completion_tokens_learned: bool
    cost: CostRange | None
    unpriced_requests: int
    unpriced_tokens: int


class ModelEstimate(EstimateShare):
    """Of one model."""

    model: str


class EstimatedDuration(BaseModel):
    """Seconds at the rate that quotas allow, and the slowest quota and limit."""

    seconds: float
    limit: Literal["rpm", "tpm", "rpd", "tpd", "max_in_flight"]
    quota: str


class RefusedRequest(BaseModel):
    """Why a request would be refused, by its 1-based line or place."""

    code: str
    message: str
    param: str | None
    line: int


class RefusedRequests(BaseModel):
    """How many would be refused, and the first hundred of them."""

    count: int
    data: list[RefusedRequest]


class EstimateObject(EstimateShare):
    """What requests would use, cost and take."""

    object: Literal["estimate"] = "estimate"
    models: list[ModelEstimate]
    duration: EstimatedDuration | None
    refused: RefusedRequests
