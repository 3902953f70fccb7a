"""Jobs as their owners see them."""

import pytest
from sqlalchemy.exc import InvalidRequestError

from headrace.states import JobState
from headrace.store import reading
from headrace.store.reading import Filter
from tests.kinds import on_sqlite
from tests.plans import plans_of
from tests.scene import retried, succeeded

pytest_plugins = ["tests.databases"]


ALL = Filter()


def page(store, chosen=ALL, *, key_id=None, after=0, limit=100):
    with store.db.read() as session:
        found = reading.jobs_page(session, key_id or store.key_id, chosen, after=after, limit=limit)
        return [job.id for job in found]


def test_a_job_is_its_keys_alone(store):
    (job_id,) = store.inline()

    with store.db.read() as session:
        assert reading.job(session, store.key_id, job_id) is not None
        assert reading.job(session, "key_other", job_id) is None
        assert reading.job(session, store.key_id, job_id + 1) is None
    assert page(store, key_id="key_other") == []


def test_jobs_are_listed_page_by_page_by_batch_and_by_state(store):
    batch_id = store.batch(lines=3)
    inline = store.inline(2)
    first, second, third = [job.id for job in store.jobs(batch_id)]
    store.land(*map(succeeded, store.fly(1)))

    assert page(store) == [first, second, third, *inline]
    assert page(store, limit=2) == [first, second]
    assert page(store, after=second, limit=2) == [third, inline[0]]
    assert page(store, Filter(batch_id=batch_id), after=first) == [second, third]
    assert page(store, Filter(batch_id=batch_id), after=inline[0]) == []
    assert page(store, Filter(state=JobState.SUCCEEDED)) == [first]
    assert page(store, Filter(batch_id=batch_id, state=JobState.QUEUED)) == [second, third]
    assert page(store, Filter(batch_id="batch_other")) == []


def test_a_list_does_not_load_bodies_and_answers(store):
    store.inline()

    with store.db.read() as session:
        (job,) = reading.jobs_page(session, store.key_id, ALL, after=0, limit=1)
        with pytest.raises(InvalidRequestError):
            _ = job.body


def test_attempts_are_listed_first_to_last(store):
    (job_id,) = store.inline()
    for status_code in (500, 502, 503):
        (flight,) = store.fly()
        store.land(retried(flight, status_code=status_code))

    assert [attempt.status_code for attempt in store.attempts(job_id)] == [500, 502, 503]


def test_a_result_has_what_its_line_is_made_of(store):
    batch_id = store.batch()
    (flight,) = store.fly()
    store.land(succeeded(flight))

    with store.db.read() as session:
        (row,) = reading.results(session, batch_id, after=0, limit=10)

    assert row._asdict() == {
        "id": flight.claim.job_id,
        "result_no": 1,
        "line": 1,
        "custom_id": "line-1",
        "state": "succeeded",
        "status_code": 200,
        "request_id": None,
        "answer": '{"choices":[1]}',
        "error_code": None,
        "error_message": None,
    }


STATES = [None, *JobState]


@pytest.mark.parametrize("after", [0, 7])
@pytest.mark.parametrize("state", STATES)
@on_sqlite
def test_a_page_of_a_batch_is_found_by_the_batch_and_not_among_all_jobs_of_its_key(store, state, after):
    *_, plan = plans_of(store.db, "jobs", lambda: page(store, Filter("batch_1", state), after=after))

    found = [
        step
        for step in plan
        if step.startswith("SEARCH jobs") and "rowid" not in step and "PRIMARY" not in step
    ]
    assert len(found) == 1
    assert "batch_id=?" in found[0], plan
