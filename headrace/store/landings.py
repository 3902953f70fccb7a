"""The end of a call: its attempt closed, its job finished or queued again, its batch's sums moved.

All of one group of landings is one transaction.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import Any, NamedTuple

from sqlmodel import Session

from headrace.clock import now
from headrace.states import FINAL, JobState, Outcome
from headrace.store import ledger, prices
from headrace.store.ambiguity import unwritten, was_held_for
from headrace.store.batches import Tally, add, add_all, close_if_done
from headrace.store.bulk_updates import update_many
from headrace.store.finishing import finish
from headrace.store.locking import lock
from headrace.store.lost_calls import book, close_open
from headrace.store.postings import Entries, Key, cost_of, lost, posting, total
from headrace.store.tables import attempts, jobs
from headrace.usage import NO_USAGE, SUMMED, Usage

USAGE = tuple(field.name for field in fields(Usage))
CLOSED = (
    "outcome",
    "status_code",
    "request_id",
    "error_code",
    "error_message",
    "service_tier",
    "cost_nanos",
)
OVERTAKEN_MESSAGE = "An earlier call of this request was answered first, and this one has not been yet."
UNLEASED = {"lease_token": None, "worker_id": None}

_all_tokens = attrgetter(*USAGE)
_tokens = attrgetter(*SUMMED)


class Verb(StrEnum):
    """What becomes of the job. A snooze gives the attempt back, a retry does not."""

    SUCCEED = "succeed"
    FAIL = "fail"
    RETRY = "retry"
    SNOOZE = "snooze"


@dataclass(frozen=True, slots=True)
class Landing:
    """How one call ended. `run_at` belongs to retry and snooze, `answer` (JSON text) to succeed and fail.

    `notice` is a word for the owner of the batch, such as why its provider refuses everything;
    `service_tier` is how the provider says that it served the call.
    """

    job_id: int
    token: str
    attempt_id: str
    verb: Verb
    outcome: Outcome
    usage: Usage = NO_USAGE
    run_at: datetime | None = None
    status_code: int | None = None
    request_id: str | None = None
    answer: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    notice: str | None = None
    service_tier: str = ""


def land(session: Session, landings: Sequence[Landing]) -> list[str]:
    """Write a group of landings; returns the batches that they completed.

    A landing whose lease was taken over changes its attempt and the usage, not the job; but a paid answer
    is accepted for any job that has none yet, and one that was not paid for decides about a job that is held
    for nothing else than this call. The first one wins: a final result never changes. A group may be landed
    again when nobody knows whether it was.
    """
    at = now()
    rows = lock(session, {landing.job_id for landing in landings})
    open_ones = unwritten(session, [landing.attempt_id for landing in landings])
    fresh = [_by_policy(landing, rows) for landing in landings if landing.attempt_id in open_ones]
    accounts = _accounts(session, fresh, rows, open_ones)
    _close_attempts(session, fresh, accounts, at)
    chosen = _chosen(fresh, rows, open_ones)
    late = [landing for landing in fresh if chosen.get(landing.job_id) is not landing]
    final = [landing for landing in chosen.values() if landing.verb in (Verb.SUCCEED, Verb.FAIL)]
    again = [landing for landing in chosen.values() if landing.verb in (Verb.RETRY, Verb.SNOOZE)]
    stopped = [landing for landing in again if rows[landing.job_id].cancelled]
    again = [landing for landing in again if not rows[landing.job_id].cancelled]
    _finish(session, final, accounts, at)
    _put_back(session, again, rows, at)
    finish(session, [rows[landing.job_id] for landing in stopped], JobState.CANCELLED, at)
    _add_usage(session, [*late, *again, *stopped], accounts)
    overtaken = book(session, close_open(session, _overtaken(final, rows), OVERTAKEN_MESSAGE), rows)
    posted = [entry for entries in accounts.entries.values() for entry in entries]
    ledger.post(session, [*posted, *overtaken], rows)
    return close_if_done(session, _batches(rows.values()))


class _Accounts(NamedTuple):
    """The locked jobs by id; and of each attempt what it cost, if that is known, and what it changes."""

    rows: dict[int, Any]
    costs: dict[str, int | None]
    entries: dict[str, Entries]

    def tally(self, group: Sequence[Landing]) -> Tally:
        """What the calls of one batch cost, known or not, and the last word to its owner."""
        return Tally(
            posting=total(one for landing in group for _, one in self.entries[landing.attempt_id]),
            notice=next((landing.notice for landing in reversed(group) if landing.notice), None),
        )


def _accounts(
    session: Session, fresh: Sequence[Landing], rows: dict[int, Any], open_ones: dict[str, Any]
) -> _Accounts:
    """Each attempt's cost at the price that it departed at, and its postings; those of a rescue go."""
    asked = {row.price_id for row in open_ones.values() if row.price_id}
    known = prices.known(session, asked)
    costs, entries = dict[str, int | None](), dict[str, Entries]()
    for landing in fresh:
        attempt, job = open_ones[landing.attempt_id], rows[landing.job_id]
        price = known.get(attempt.price_id)
        cost = cost_of(landing.outcome, landing.usage, landing.service_tier, price)
        was_open = attempt.outcome == Outcome.OPEN
        posted = posting(attempt, landing.outcome, landing.usage, cost, was_open=was_open)
        costs[landing.attempt_id] = cost
        entries[landing.attempt_id] = [(Key.of(attempt, job, landing.service_tier), posted)]
        if not was_open:
            rescued = lost(attempt, was_open=False)
            entries[landing.attempt_id].append((Key.of(attempt, job), rescued.taken_back()))
    return _Accounts(rows, costs, entries)


def _by_policy(landing: Landing, rows: dict[int, Any]) -> Landing:
    """Where ambiguous calls hold their jobs, they also do after the last attempt."""
    row = rows[landing.job_id]
    if landing.verb is Verb.FAIL and _holds(landing, row) and not row.cancelled:
        return replace(landing, verb=Verb.RETRY, answer=None)
    return landing


def _holds(landing: Landing, row: Any) -> bool:
    return bool(row.hold_ambiguous and landing.outcome == Outcome.AMBIGUOUS)


def _was_not_paid(landing: Landing) -> bool:
    return landing.outcome != Outcome.AMBIGUOUS and landing.usage == NO_USAGE


def _close_attempts(session: Session, landings: Sequence[Landing], accounts: _Accounts, at: datetime) -> None:
    rows = [
        (
            landing.attempt_id,
            landing.outcome.value,
            landing.status_code,
            landing.request_id,
            landing.error_code,
            landing.error_message,
            landing.service_tier,
            accounts.costs[landing.attempt_id],
            *_all_tokens(landing.usage),
        )
        for landing in landings
    ]
    update_many(session, attempts, (*CLOSED, *USAGE), rows, shared={"landed_at": at})


def _chosen(
    landings: Sequence[Landing], rows: dict[int, Any], open_ones: dict[str, Any]
) -> dict[int, Landing]:
    """For each job the landing that decides: an answer before anything else, then whoever holds the lease."""
    chosen: dict[int, Landing] = {}
    for landing in sorted(landings, key=lambda landing: landing.verb is not Verb.SUCCEED):
        row = rows[landing.job_id]
        answers = landing.verb is Verb.SUCCEED and row.state not in FINAL
        holds = row.state == JobState.RUNNING and row.lease_token == landing.token
        frees = _was_not_paid(landing) and was_held_for(open_ones[landing.attempt_id], row)
        if answers or holds or frees:
            chosen.setdefault(landing.job_id, landing)
    return chosen


def _finish(session: Session, final: Sequence[Landing], accounts: _Accounts, at: datetime) -> None:
    numbers = _result_numbers(session, final, accounts)
    rows = [
        (
            landing.job_id,
            _end(landing).value,
            numbers.get(landing.job_id),
            landing.status_code,
            landing.request_id,
            landing.answer,
            landing.error_code,
            landing.error_message,
            *_tokens(landing.usage),
        )
        for landing in final
    ]
    names = ("state", "result_no", "status_code", "request_id", "answer", "error_code", "error_message")
    update_many(session, jobs, names, rows, plus=SUMMED, shared={"finished_at": at, **UNLEASED})


def _result_numbers(session: Session, final: Sequence[Landing], accounts: _Accounts) -> dict[int, int]:
    """Adds to each batch's sums, and numbers its new results from there on."""
    groups, tallies = _by_batch(final, accounts.rows), dict[str, Tally]()
    for batch_id, group in groups:
        tally = tallies[batch_id] = accounts.tally(group)
        tally.succeeded = sum(landing.verb is Verb.SUCCEED for landing in group)
        tally.failed = len(group) - tally.succeeded
    before = add_all(session, tallies)
    return {
        landing.job_id: before[batch_id] + place
        for batch_id, group in groups
        for place, landing in enumerate(group, start=1)
    }


def _put_back(session: Session, again: Sequence[Landing], rows: dict[int, Any], at: datetime) -> None:
    """Jobs that go again wait for their time; or from now on for a person."""
    held = {landing.job_id for landing in again if _holds(landing, rows[landing.job_id])}
    changed = [
        (
            landing.job_id,
            JobState.HELD.value if landing.job_id in held else JobState.QUEUED.value,
            at if landing.job_id in held else landing.run_at,
            landing.status_code,
            landing.error_code,
            landing.error_message,
            -int(landing.verb is Verb.SNOOZE),
        )
        for landing in again
    ]
    names = ("state", "run_at", "status_code", "error_code", "error_message")
    update_many(session, jobs, names, changed, plus=("attempts",), shared=UNLEASED)


def _add_usage(session: Session, landings: Sequence[Landing], accounts: _Accounts) -> None:
    """What calls cost that decided nothing, and the notices they carry."""
    spent: dict[int, Usage] = defaultdict(lambda: NO_USAGE)  # a job may have had several calls
    for landing in landings:
        if landing.usage != NO_USAGE:
            spent[landing.job_id] += landing.usage
    rows = [(job_id, *_tokens(usage)) for job_id, usage in sorted(spent.items())]
    update_many(session, jobs, (), rows, plus=SUMMED, shared={})
    for batch_id, group in _by_batch(landings, accounts.rows):
        tally = accounts.tally(group)
        if tally != Tally():
            add(session, batch_id, tally)


def _overtaken(final: Sequence[Landing], rows: dict[int, Any]) -> list[int]:
    """Jobs that ended while somebody else has them: if he dies, nobody looks for his call any more."""
    running = (landing for landing in final if rows[landing.job_id].state == JobState.RUNNING)
    return [landing.job_id for landing in running if rows[landing.job_id].lease_token != landing.token]


def _by_batch(landings: Iterable[Landing], rows: dict[int, Any]) -> list[tuple[str, list[Landing]]]:
    """Grouped by batch, in one order everywhere, so that two lands cannot lock each other out."""
    groups: dict[str, list[Landing]] = defaultdict(list)
    for landing in landings:
        if rows[landing.job_id].batch_id:
            groups[rows[landing.job_id].batch_id].append(landing)
    return sorted(groups.items())


def _batches(rows: Iterable[Any]) -> list[str]:
    return sorted({row.batch_id for row in rows if row.batch_id})


def _end(landing: Landing) -> JobState:
    return JobState.SUCCEEDED if landing.verb is Verb.SUCCEED else JobState.FAILED
