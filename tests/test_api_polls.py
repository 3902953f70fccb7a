"""A poll takes the short way where all is well, and is answered as by the long one in any case."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.poll_reads import PollReads
from headrace.store import keys
from tests.api_server import DEADLINE_SECONDS, refusal
from tests.kinds import on_sqlite
from tests.scene import retried, succeeded

pytest_plugins = ["tests.databases", "tests.api_fixtures"]

SAME_IN_BOTH = ("content-type", "server", "content-length")


def poll(api, batch_id, **how):
    return api.call("GET", f"/v1/batches/{batch_id}", **how)


def long_way(api, batch_id, **how):
    """What is asked with a query is no plain poll."""
    return api.call("GET", f"/v1/batches/{batch_id}?long", **how)


@pytest.fixture
def batch_id(api, store):  # noqa: ARG001 - the batch is the API's client's
    """A batch with all that one can show."""
    made = store.batch(lines=4)
    store.set_batch(made, hold_ambiguous=True, errors=[{"code": "x", "line": 2}], metadata={"run": "七"})
    first, second, _ = store.fly(3)
    store.land(retried(first, notice="Slow today."), succeeded(second))
    return made


def test_both_ways_give_the_same_answer(api, batch_id):
    short, long = poll(api, batch_id), long_way(api, batch_id)

    assert short.content == long.content
    assert short.json()["held"] == 1
    assert {*short.headers} == {*long.headers}
    for name in SAME_IN_BOTH:
        assert short.headers[name] == long.headers[name]
    assert short.headers["x-request-id"] != long.headers["x-request-id"]


def test_a_poll_shows_what_was_committed_before_it(api, store):
    made = store.batch(lines=5)

    for finished in range(1, 6):
        store.land(*map(succeeded, store.fly(1)))
        assert poll(api, made).json()["request_counts"]["completed"] == finished


@on_sqlite
@pytest.mark.parametrize("way", [poll, long_way])
def test_a_key_that_was_revoked_stops_at_once(api, store, batch_id, way):
    assert way(api, batch_id).status_code == 200
    with store.db.begin() as session:
        keys.revoke(session, api.key_id)

    refused = way(api, batch_id)

    assert refused.status_code == 401
    assert refusal(refused)["code"] == "invalid_api_key"


@on_sqlite
def test_a_batch_of_another_key_or_none_is_not_found(api, batch_id):
    _, stranger = api.new_key()

    for refused in (poll(api, batch_id, key=stranger), poll(api, "batch_none")):
        assert refused.status_code == 404
        assert "No batch found" in refusal(refused)["message"]


@on_sqlite
def test_a_poll_without_a_key_is_told_so(api, batch_id):
    refused = poll(api, batch_id, headers={"authorization": ""})

    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")


def test_polls_that_come_at_once_are_each_answered_for_their_own_key_and_batch(api, store):
    mine, other = [store.batch() for _ in range(5)], store.batch()
    _, stranger = api.new_key()
    together = threading.Barrier(30, timeout=DEADLINE_SECONDS)

    def ask(number):
        together.wait()
        if number % 3:
            return poll(api, mine[number % 5]).json()["id"] == mine[number % 5]
        return poll(api, other, key=stranger).status_code == 404

    with ThreadPoolExecutor(30) as pool:
        assert all(pool.map(ask, range(30)))


@on_sqlite
def test_a_poll_that_is_given_up_holds_up_none_that_shares_its_read(api, store, batch_id):
    async def one_of_two():
        reads = PollReads()
        asked = [asyncio.create_task(reads.answer(store.db, (api.secret, batch_id))) for _ in range(2)]
        await asyncio.sleep(0)
        asked[0].cancel()
        return await asyncio.wait_for(asked[1], DEADLINE_SECONDS)

    assert json.loads(asyncio.run(one_of_two()))["id"] == batch_id


@on_sqlite
def test_a_head_of_a_poll_is_answered_without_its_body(api, batch_id):
    answer = api.call("HEAD", f"/v1/batches/{batch_id}")

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(poll(api, batch_id).content))
