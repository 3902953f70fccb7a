"""A ledger of any size: jobs that are done, a call each, spread over 90 days. It is filled in bulk.

The batches run one after the other, or several at once, without a pause; each calls all models in turn, for
one project in two stages. So with many jobs there is a sum for every hour, batch, model and stage.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import orjson
from sqlalchemy import BigInteger, ColumnElement, case, cast, func, insert, literal, null, select
from sqlmodel import Session

from bench.filled import BODY, FIRST_NUMBER, ROWS_AT_ONCE, batch_id_of, named, series
from bench.inputs import ENDPOINT
from headrace.clock import now
from headrace.db import Database
from headrace.migrations import upgrade
from headrace.periods import DAY
from headrace.pricing import Price, Rates
from headrace.states import BatchStatus, JobState, Outcome
from headrace.store import keys, prices, tag_sets
from headrace.store.tables import attempts, batches, jobs
from headrace.usage import SUMMED

DAYS = 90
KEYS = 8
BATCHES = 40
MODELS = 5
TAG_SETS = 20
STAGES = 2
ONE_IS_LOST = 97  # of so many calls, nobody knows how one ended
AT_MOST = 2000
MICROSECONDS = 10**6
PRICES = (
    Price("mill", "large", "the bench", Rates(input=Decimal("2.5"), output=Decimal(10))),
    Price("mill", "small", "the bench", Rates(input=Decimal("0.15"), output=Decimal("0.6"))),
    Price("weir", "unknown", "the bench"),
)
NANOS_A_TOKEN = 1000  # at a price of 1 USD for a million


class Ledger(NamedTuple):
    """A migrated database with jobs whose calls departed from `start` to before `end` (Unix seconds).

    So many batches ran `at_once`.
    """

    db: Database
    jobs: int
    at_once: int
    start: int
    end: int
    key_ids: tuple[str, ...]


def fill(db: Database, count: int, at_once: int = 1) -> Ledger:
    """Migrate an empty database and fill it with so many jobs, and as many batches at once."""
    upgrade(db.engine)
    end = int(now().timestamp()) // DAY * DAY
    with db.begin() as session:
        key_ids = tuple(keys.create(session, f"key {number}")[0].id for number in range(KEYS))
        for price in PRICES:
            prices.remember(session, price)
        tag_sets.remember(session, {f"tags_{number}": _tags(number) for number in range(TAG_SETS)})
        ledger = Ledger(db, count, at_once, end - DAYS * DAY, end, key_ids)
        session.execute(insert(batches), [_batch(ledger, number) for number in range(BATCHES)])
    for first in range(0, count, ROWS_AT_ONCE):
        with db.begin() as session:
            _insert(session, ledger, first, min(first + ROWS_AT_ONCE, count))
    return ledger


def _tags(number: int) -> str:
    return orjson.dumps({"project": f"project-{number // STAGES}", "stage": str(number % STAGES)}).decode()


def _batch(ledger: Ledger, number: int) -> dict[str, Any]:
    lines, at = len(range(number, ledger.jobs, BATCHES)), now()
    return {
        "id": batch_id_of(number),
        "api_key_id": ledger.key_ids[number % KEYS],
        "endpoint": ENDPOINT,
        "input_file_id": f"file-{number}",
        "completion_window": "24h",
        "status": BatchStatus.COMPLETED,
        "created_at": at,
        "completed_at": at,
        "expires_at": at,
        "total": lines,
        "ingested": lines,
        "succeeded": lines,
    }


def _insert(session: Session, ledger: Ledger, first: int, end: int) -> None:
    """The jobs with the numbers from `first` to before `end`, and a call of each."""
    n = cast(series(first, end).c.n, BigInteger)
    lines, turns = -(-ledger.jobs // BATCHES), -(-BATCHES // ledger.at_once)
    turn_seconds = (ledger.end - ledger.start) // turns
    seconds = (
        ledger.start + n % BATCHES // ledger.at_once * turn_seconds + n // BATCHES * turn_seconds // lines
    )
    is_postgres = session.get_bind().dialect.name == "postgresql"
    at = func.to_timestamp(seconds) if is_postgres else seconds * MICROSECONDS
    for table, values in ((jobs, _job(n, at, ledger.key_ids)), (attempts, _attempt(n, at))):
        rows = select(*values.values())
        session.execute(insert(table).from_select(list(values), rows, include_defaults=False))


def _job(n: ColumnElement[int], at: Any, key_ids: Sequence[str]) -> dict[str, Any]:
    """Columns of the job with the number `n`, whose call departs then."""
    batch = n % BATCHES
    return {
        "id": n + 1,
        "api_key_id": case(dict(enumerate(key_ids)), value=batch % KEYS),
        "batch_id": named("batch_", FIRST_NUMBER + batch),
        "line": n // BATCHES + 1,
        "custom_id": named("job-", n),
        "endpoint": literal(ENDPOINT),
        "lane": named("model-", _model(n)),
        "body": literal(BODY),
        "tags_id": named("tags_", batch * STAGES % TAG_SETS + n // BATCHES // MODELS % STAGES),
        "state": literal(JobState.SUCCEEDED.value),
        **dict.fromkeys(("run_at", "created_at", "finished_at"), at),
        "cancel_requested": literal(False),
        **dict.fromkeys(("attempts", "max_attempts", "calls"), literal(1)),
        **dict.fromkeys(("prompt_estimate", "crashes", *SUMMED), literal(0)),
    }


def _attempt(n: ColumnElement[int], at: Any) -> dict[str, Any]:
    """Columns of its call."""
    is_lost, price = n % ONE_IS_LOST == 0, _model(n) % len(PRICES)
    prompt, completion = 100 + n % 50, 20 + n % 30
    used = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    used |= {"cached_tokens": n % 40, "reasoning_tokens": n % 10}
    return {
        "id": named("att_", n),
        "job_id": n + 1,
        "number": literal(1),
        "worker_id": literal("worker-1"),
        **dict.fromkeys(("departed_at", "landed_at"), at),
        "tokens_booked": literal(AT_MOST),
        "tokens_at_most": literal(AT_MOST),
        "outcome": case((is_lost, Outcome.AMBIGUOUS.value), else_=Outcome.SUCCEEDED.value),
        **{name: case((is_lost, 0), else_=tokens) for name, tokens in used.items()},
        "price_id": case({number: one.id for number, one in enumerate(PRICES)}, value=price),
        "cost_nanos": case((is_lost, null()), else_=_cost(price, prompt, completion)),
        "cost_at_most_nanos": _cost(price, literal(AT_MOST), literal(AT_MOST)),
    }


def _model(n: ColumnElement[int]) -> ColumnElement[int]:
    """Lines of a batch take turns."""
    return n // BATCHES % MODELS


def _cost(price: ColumnElement[int], prompt: Any, completion: Any) -> ColumnElement[int | None]:
    """Nanos at one of the prices, by its place among them; NULL at the one that is not known."""
    known = [(number, one.rates) for number, one in enumerate(PRICES) if one.is_known]
    return case(
        *(
            (price == number, prompt * _nanos(rates.input) + completion * _nanos(rates.output))
            for number, rates in known
        ),
        else_=null(),
    )


def _nanos(rate: Decimal | None) -> int:
    return int((rate or 0) * NANOS_A_TOKEN)
