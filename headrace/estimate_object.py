"""An estimate as the API and `headrace estimate --json` write it. USD are decimal text."""

from typing import Any

from headrace.durations import Duration
from headrace.estimating import Estimate, FaultAt, Share
from headrace.lengths import Range
from headrace.money import exact


def estimate_object(made: Estimate) -> dict[str, Any]:
    """The object `estimate` (reference, "Estimates")."""
    return {
        "object": "estimate",
        **_share(made.total),
        "models": [{"model": name, **_share(share)} for name, share in sorted(made.models.items())],
        "duration": _duration(made.duration),
        "refused": {"count": made.refused, "data": [_fault(one) for one in made.faults]},
    }


def _share(share: Share) -> dict[str, Any]:
    return {
        "requests": share.requests,
        "prompt_tokens": share.prompt_tokens,
        "prompt_tokens_exact": share.exact,
        "completion_tokens": share.completion_tokens._asdict(),
        "completion_tokens_learned": share.learned,
        "cost": _cost(share.cost),
        "unpriced_requests": share.unpriced_requests,
        "unpriced_tokens": share.unpriced_tokens,
    }


def _cost(cost: Range | None) -> dict[str, str] | None:
    return None if cost is None else {f"{name}_usd": exact(amount) for name, amount in cost._asdict().items()}


def _duration(duration: Duration | None) -> dict[str, Any] | None:
    return None if duration is None else {**duration._asdict(), "seconds": round(duration.seconds, 1)}


def _fault(one: FaultAt) -> dict[str, Any]:
    return one.fault.as_error(one.line)
