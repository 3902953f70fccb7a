"""What calls of models were like: how long the answers, how long the calls."""

from collections import defaultdict
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlmodel import Session

from headrace.lengths import Experience, Lengths
from headrace.states import JobState
from headrace.store.tables import attempts, jobs, usage_hours

RECENT_JOBS = 3000
REMEMBERED = timedelta(days=90)


def experiences(session: Session, api_key_id: str | None, at: datetime) -> dict[str, Experience]:
    """By model: the completions of the key's last 3,000 jobs, else the mean of its last 90 days.

    None for all keys together.
    """
    seen, seconds = _recent(session, api_key_id)
    means = _means(session, api_key_id, at - REMEMBERED)
    return {
        model: Experience(Lengths(seen.get(model, ()), means.get(model)), seconds.get(model))
        for model in seen.keys() | means.keys()
    }


def _recent(session: Session, api_key_id: str | None) -> tuple[dict[str, list[int]], dict[str, float]]:
    """Completion tokens of good answers, and the mean time of the calls that brought them."""
    last = select(jobs.c.id)
    if api_key_id is not None:
        last = last.where(jobs.c.api_key_id == api_key_id)
    last = last.order_by(jobs.c.id.desc()).limit(RECENT_JOBS)
    good = select(jobs.c.lane, jobs.c.completion_tokens, attempts.c.departed_at, attempts.c.landed_at)
    good = good.join(attempts, attempts.c.job_id == jobs.c.id)
    good = good.where(
        jobs.c.id.in_(last), jobs.c.state == JobState.SUCCEEDED, attempts.c.number == jobs.c.calls
    )
    seen: dict[str, list[int]] = defaultdict(list)
    took: dict[str, list[float]] = defaultdict(list)
    for lane, tokens, departed, landed in session.execute(good):
        seen[lane].append(tokens)
        if landed is not None:
            took[lane].append((landed - departed).total_seconds())
    return seen, {lane: sum(each) / len(each) for lane, each in took.items()}


def _means(session: Session, api_key_id: str | None, since: datetime) -> dict[str, float]:
    """Of the calls that are billed for certain."""
    known = func.sum(usage_hours.c.calls - usage_hours.c.doubtful_calls)
    sums = select(usage_hours.c.model, func.sum(usage_hours.c.completion_tokens), known)
    sums = sums.where(usage_hours.c.hour >= since.timestamp())
    if api_key_id is not None:
        sums = sums.where(usage_hours.c.api_key_id == api_key_id)
    rows = session.execute(sums.group_by(usage_hours.c.model))
    return {model: float(tokens) / float(calls) for model, tokens, calls in rows if calls and tokens}
