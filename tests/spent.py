"""Sums of usage that tests of reports begin with, written as landings write them."""

from datetime import UTC, datetime

import orjson

from headrace.db import Database
from headrace.pricing import Price
from headrace.store import prices, tag_sets, usage_hours
from headrace.store.postings import Key, Posting

HOUR, DAY = 3600, 86400
START = int(datetime(2026, 10, 30, tzinfo=UTC).timestamp())
"""Two days before a month ends."""
MILL = Price("mill", "large-v2", "the tests")
TAGS = {"t-red": {"team": "red", "stage": "test"}, "t-blue": {"team": "blue"}}
CALL = Posting(
    calls=1,
    prompt_tokens=100,
    cached_tokens=40,
    completion_tokens=20,
    reasoning_tokens=5,
    total_tokens=120,
    cache_write_tokens=10,
    prompt_audio_tokens=3,
    completion_audio_tokens=2,
    cost_nanos=1_500_000_001,
)
LOST = Posting(calls=1, doubtful_calls=1, doubtful_tokens=500, doubtful_nanos=2_000_000)
UNPRICED = Posting(calls=1, prompt_tokens=7, total_tokens=7, unpriced_calls=1)


def names(db: Database) -> None:
    """Make known the price and the tags that keys of sums may name."""
    with db.begin() as session:
        prices.remember(session, MILL)
        tag_sets.remember(session, {name: orjson.dumps(tags).decode() for name, tags in TAGS.items()})


def spend(db: Database, key_id: str, hours: int, *postings: Posting, model: str = "large", **of: str) -> None:
    """Add calls of a key, so many hours after START; `of` are `price_id`, `batch_id` and so on."""
    key = Key(START + hours * HOUR, key_id, model, **{**_NOTHING, **of})
    total = Posting()
    for one in postings:
        total = total.plus(one)
    with db.begin() as session:
        usage_hours.add(session, {key: total})


_NOTHING = {"price_id": "", "batch_id": "", "tags_id": "", "service_tier": ""}
