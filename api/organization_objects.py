"""The results of OpenAI's reports (contract 7.2, 7.3), as far as calls that headrace made have such things.

What they are not grouped by is null; and so are projects, users and sources, which calls do not have here.
"""

from typing import Literal

from pydantic import BaseModel

from headrace.money import exact, usd
from headrace.store.reports import Row


class _Result(BaseModel):
    api_key_id: str | None
    project_id: None = None
    user_id: None = None
    api_source: None = None


class UsageResult(_Result):
    """Tokens of calls. `input_tokens` has those cached, written to a cache, and heard.

    Calls of which nobody knows what they used are in `num_model_requests`, and have no tokens here.
    """

    object: Literal["organization.usage.completions.result"] = "organization.usage.completions.result"
    input_tokens: int
    input_uncached_tokens: int
    input_cached_tokens: int
    input_cache_write_tokens: int
    input_audio_tokens: int
    output_tokens: int
    output_audio_tokens: int
    num_model_requests: int
    model: str | None
    batch: bool | None
    service_tier: str | None

    @classmethod
    def of(cls, row: Row) -> "UsageResult":
        """What a row of a report says."""
        sums, group = row.sums, row.group
        return cls.model_validate(
            {
                "input_tokens": sums.prompt_tokens,
                "input_uncached_tokens": sums.prompt_tokens - sums.cached_tokens - sums.cache_write_tokens,
                "input_cached_tokens": sums.cached_tokens,
                "input_cache_write_tokens": sums.cache_write_tokens,
                "input_audio_tokens": sums.prompt_audio_tokens,
                "output_tokens": sums.completion_tokens,
                "output_audio_tokens": sums.completion_audio_tokens,
                "num_model_requests": sums.calls,
                "api_key_id": group.get("api_key_id"),
                "model": group.get("model"),
                "batch": group.get("in_batch"),
                "service_tier": group.get("service_tier"),
            }
        )


class Amount(BaseModel):
    """USD that are exactly known to be due."""

    value: float
    currency: Literal["usd"] = "usd"


class CostsResult(_Result):
    """Costs of calls. `line_item` is the model.

    Ours are `doubtful_usd`, what calls of unknown cost can cost at most beyond `amount`, and
    `unpriced_calls`, which have no price and are in neither.
    """

    object: Literal["organization.costs.result"] = "organization.costs.result"
    amount: Amount
    line_item: str | None
    quantity: None = None
    quantity_unit: None = None
    doubtful_usd: str
    unpriced_calls: int

    @classmethod
    def of(cls, row: Row) -> "CostsResult":
        """What a row of a report says."""
        return cls.model_validate(
            {
                "amount": Amount(value=float(usd(row.sums.cost_nanos))),
                "doubtful_usd": exact(row.sums.doubtful_nanos),
                "unpriced_calls": row.sums.unpriced_calls,
                "api_key_id": row.group.get("api_key_id"),
                "line_item": row.group.get("model"),
            }
        )
