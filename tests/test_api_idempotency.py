"""Requests that create and come twice: with a key of the client's, or as a repeat of the SDK."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
import requests
from sqlalchemy import func, select, update

from headrace.store import creations, tables
from tests.api_server import DEADLINE_SECONDS, hints, refusal
from tests.half_sent import sending
from tests.kinds import on_sqlite

pytest_plugins = ["tests.databases", "tests.api_fixtures"]

BATCH = {"input_file_id": "file-1", "endpoint": "/v1/chat/completions", "completion_window": "24h"}
JOB = {"model": "m", "messages": [{"role": "user", "content": "你好"}]}
KEY = {"idempotency-key": "once"}
FIRST, AGAIN = {"x-stainless-retry-count": "0"}, {"x-stainless-retry-count": "1"}

both_paths = pytest.mark.parametrize(("path", "body"), [("/v1/batches", BATCH), ("/v1/jobs", JOB)])


def post(api, path, body, headers, **how):
    return api.call("POST", path, json=body, headers=headers, **how)


def alone(api, path, body, headers):
    """The same with a connection of its own, for threads."""
    headers = {"authorization": f"Bearer {api.secret}", **headers}
    return requests.post(api.url + path, json=body, headers=headers, timeout=DEADLINE_SECONDS)


def made(response):
    """The id, and whether it was made before."""
    assert response.status_code == 200, response.text
    return response.json()["id"], response.headers.get("idempotent-replayed") == "true"


def age(store, **by):
    """What was created lies back so much longer."""
    with store.db.begin() as session:
        for row in session.execute(select(tables.creations)).all():
            older = update(tables.creations).where(tables.creations.c.id == row.id)
            session.execute(older.values(created_at=row.created_at - timedelta(**by)))


def remembered(store):
    with store.db.read() as session:
        return session.execute(select(func.count()).select_from(tables.creations)).scalar_one()


@both_paths
def test_the_same_key_with_the_same_body_is_the_same_object(api, store, path, body):
    first, fresh = made(post(api, path, body, KEY))
    count = len(hints(api))

    shuffled = dict(reversed(body.items()))
    assert made(post(api, path, shuffled, KEY)) == (first, not fresh)

    assert len(api.call("GET", path).json()["data"]) == 1
    assert len(hints(api)) >= count
    assert remembered(store) == 1


def test_the_object_is_shown_as_it_is_now(api, store):
    first, _ = made(post(api, "/v1/batches", BATCH, KEY))
    store.cancel_batch(first)

    assert post(api, "/v1/batches", BATCH, KEY).json()["status"] == "cancelling"


def test_a_list_of_jobs_is_the_same_list(api, store):
    jobs = [{**JOB, "n": number} for number in range(1, 6)]

    lists = [post(api, "/v1/jobs", jobs, KEY).json() for _ in range(2)]

    assert lists[0] == lists[1]
    assert len(store.jobs()) == 5


@both_paths
def test_the_same_key_with_another_body_is_a_conflict_that_nobody_repeats(api, path, body):
    first, _ = made(post(api, path, body, KEY))

    other = post(api, path, {**body, "metadata": {"a": "b"}}, KEY)

    assert (other.status_code, other.headers["x-should-retry"]) == (409, "false")
    assert "Idempotency-Key" in refusal(other)["message"]
    assert [one["id"] for one in api.call("GET", path).json()["data"]] == [first]


@on_sqlite
def test_another_key_another_path_and_another_owner_have_nothing_to_do_with_it(api):
    _, stranger = api.new_key()

    answers = [
        post(api, "/v1/batches", BATCH, KEY),
        post(api, "/v1/batches", BATCH, {"idempotency-key": "twice"}),
        post(api, "/v1/batches", BATCH, KEY, key=stranger),
        post(api, "/v1/jobs", JOB, KEY),
    ]

    assert len(dict(map(made, answers))) == 4
    assert not any(replayed for _, replayed in map(made, answers))


@on_sqlite
@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
def test_a_key_that_is_none_is_refused(api, store, key):
    assert post(api, "/v1/batches", BATCH, {"idempotency-key": key}).status_code == 400
    assert remembered(store) == 0


def test_a_request_that_was_refused_can_be_corrected_under_the_same_key(api):
    assert post(api, "/v1/batches", {**BATCH, "endpoint": "/v1/x"}, KEY).status_code == 400

    assert made(post(api, "/v1/batches", BATCH, KEY))[1] is False


def test_a_key_is_forgotten_after_a_day(api, store):
    first, _ = made(post(api, "/v1/batches", BATCH, KEY))
    age(store, hours=23)
    assert made(post(api, "/v1/batches", BATCH, KEY)) == (first, True)
    age(store, hours=1, minutes=1)

    second, replayed = made(post(api, "/v1/batches", BATCH, KEY))

    assert (second != first, replayed) == (True, False)
    assert remembered(store) == 1


@both_paths
def test_many_at_once_with_one_key_make_one_object(api, path, body):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: made(alone(api, path, body, KEY)), range(16)))

    assert len({object_id for object_id, _ in answers}) == 1
    assert [replayed for _, replayed in answers].count(False) == 1
    assert len(api.call("GET", path).json()["data"]) == 1


@both_paths
def test_a_repeat_of_the_sdk_finds_what_the_first_try_made(api, path, body):
    first, _ = made(post(api, path, body, FIRST))

    assert made(post(api, path, body, AGAIN)) == (first, True)
    assert made(post(api, path, body, {"x-stainless-retry-count": "2"})) == (first, True)


@both_paths
def test_a_first_try_always_makes_something_new(api, path, body):
    answers = [made(post(api, path, body, headers)) for headers in (FIRST, FIRST, {})]

    assert len(dict(answers)) == 3
    assert not any(replayed for _, replayed in answers)


def test_a_repeat_whose_first_try_never_came_makes_it(api):
    post(api, "/v1/batches", {**BATCH, "metadata": {"other": "one"}}, FIRST)

    assert made(post(api, "/v1/batches", BATCH, AGAIN))[1] is False


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 660),
        ({"x-stainless-read-timeout": "30"}, 90),
        ({"x-stainless-timeout": "30"}, 90),
        ({"x-stainless-read-timeout": "30", "x-stainless-retry-count": "2"}, 180),
        ({"x-stainless-read-timeout": "nan"}, 660),
        ({"x-stainless-read-timeout": "inf"}, 660),
    ],
)
def test_a_repeat_looks_back_as_far_as_the_sdk_has_patience(api, store, headers, seconds):
    again = {**AGAIN, **headers}
    first, _ = made(post(api, "/v1/batches", BATCH, FIRST))
    age(store, seconds=seconds - 20)
    assert made(post(api, "/v1/batches", BATCH, again)) == (first, True)
    age(store, seconds=25)

    assert made(post(api, "/v1/batches", BATCH, again))[1] is False


def test_the_newest_of_several_is_the_one_that_a_repeat_means(api):
    made(post(api, "/v1/batches", BATCH, FIRST))
    second, _ = made(post(api, "/v1/batches", BATCH, FIRST))

    assert made(post(api, "/v1/batches", BATCH, AGAIN)) == (second, True)


@on_sqlite
def test_a_client_that_never_repeats_leaves_nothing_to_remember(api, store):
    made(post(api, "/v1/batches", BATCH, {}))

    assert remembered(store) == 0


def test_the_sdk_sends_what_we_go_by(api, store):
    api.sdk().batches.create(**BATCH)
    api.sdk().batches.create(**BATCH, extra_headers={"Idempotency-Key": "mine"})

    assert remembered(store) == 2


def test_what_is_older_than_a_day_is_forgotten_in_slices(api, store):
    for _ in range(5):
        post(api, "/v1/jobs", JOB, FIRST)
    age(store, hours=25)

    with store.db.begin() as session:
        assert creations.prune(session, 3) == 3
    assert remembered(store) == 2
    post(api, "/v1/jobs", JOB, FIRST)

    assert remembered(store) == 1


@contextmanager
def under_way(api, path, body, headers):
    """A request whose head has come and whose body has not; inside, `end` sends the rest and reads."""
    content = json.dumps(body).encode()
    kind = {"content-type": "application/json", "connection": "close"}
    with sending(api, content_length=len(content), path=path, **kind, **headers) as sender:

        def end():
            sender.sendall(content)
            head, _, answer = b"".join(iter(lambda: sender.recv(65536), b"")).partition(b"\r\n\r\n")
            return json.loads(answer)["id"], b"idempotent-replayed: true" in head

        yield end


@both_paths
def test_a_first_try_that_its_repeat_overtook_makes_nothing_more(api, path, body):
    with under_way(api, path, body, FIRST) as end:
        request_is_known(api)
        repeat, replayed = made(post(api, path, body, AGAIN))
        assert not replayed

        assert end() == (repeat, True)

    assert len(api.call("GET", path).json()["data"]) == 1
    assert made(post(api, path, body, AGAIN)) == (repeat, True)


def test_what_a_repeat_made_stands_for_one_first_try_and_not_for_two(api):
    """Two submissions of the same, both slow: the repeat of one is not the other."""
    with (
        under_way(api, "/v1/batches", BATCH, FIRST) as one,
        under_way(api, "/v1/batches", BATCH, FIRST) as other,
    ):
        request_is_known(api)
        repeat, _ = made(post(api, "/v1/batches", BATCH, AGAIN))

        first, second = one(), other()

    assert first == (repeat, True)
    assert second[1] is False


def test_a_first_try_that_comes_after_the_repeat_is_another_wish(api):
    repeat, _ = made(post(api, "/v1/batches", BATCH, AGAIN))

    later, replayed = made(post(api, "/v1/batches", BATCH, FIRST))

    assert (later != repeat, replayed) == (True, False)


def request_is_known(api):
    """Requests are taken up in the order in which they come: one that is answered was behind the others."""
    assert api.call("GET", "/healthz").status_code == 200
