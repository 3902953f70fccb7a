"""Row 24: connections that are refused, names that nobody knows, TLS that fails: not sent, and free.

That a connection which was reset before a byte left is one of these is in `tests/test_call.py`.
"""

import time

import pytest

from headrace.states import Outcome
from tests.batch_input import many
from tests.chaos import ChaosProxy
from tests.invariants import check
from tests.kinds import on_sqlite
from tests.listener import listening
from tests.simulated import eventually
from tests.witness import attempts_of

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]

JOBS = 20


def not_sent(plant, batch_id):
    """The attempts, once there are some that ended, and that all of them cost nothing."""
    attempts = eventually(lambda: list(attempts_of(plant.store.db, batch_id).values()), 30)
    ended = [attempt for attempt in attempts if attempt.outcome != Outcome.OPEN]
    assert {attempt.outcome for attempt in ended} <= {Outcome.NOT_SENT}
    assert {attempt.total_tokens for attempt in ended} <= {0}
    return ended


@on_sqlite
def test_what_a_provider_refuses_to_hear_costs_no_attempt_and_goes_when_it_is_back(plant):
    witness = plant.provider()
    with ChaosProxy.before(witness.base_url) as way:
        way.refuse()
        plant.worker(provider_url=way.through(witness.base_url), max_attempts=1)
        batch_id = plant.submit(*many(JOBS))

        eventually(lambda: len(not_sent(plant, batch_id)) >= JOBS, 40)
        notice = eventually(lambda: plant.store.batch_row(batch_id).notice)
        way.heal()
        plant.let_time_pass()
        batch = plant.finished(batch_id)

    assert "cannot be reached" in notice
    assert (batch.succeeded, batch.notice) == (JOBS, None)
    assert {job.attempts for job in plant.store.jobs(batch_id)} == {1}
    account = check(plant.store.db, [witness], files=plant.settings.files_dir)
    assert account.calls == JOBS
    assert account.attempts >= 2 * JOBS


@on_sqlite
@pytest.mark.parametrize("scheme", ["dns", "tls"])
def test_a_provider_that_cannot_be_reached_is_told_and_burns_nothing(plant, scheme):
    with listening(lambda connection: connection.sendall(b"no TLS here\r\n")) as address:
        url = "http://no-such-host.invalid/v1" if scheme == "dns" else f"https://{address}/v1"
        plant.worker(provider_url=url, max_attempts=1)
        batch_id = plant.submit(*many(3))

        eventually(lambda: len(not_sent(plant, batch_id)) >= 3, 40)
        notice = eventually(lambda: plant.store.batch_row(batch_id).notice)
        time.sleep(0.5)  # for a greenlet that would go on

    assert "cannot be reached" in notice
    assert ("SSL" in notice) is (scheme == "tls")
    jobs = plant.store.jobs(batch_id)
    assert {job.attempts for job in jobs} == {0}
    assert {job.state for job in jobs} <= {"queued", "running"}
