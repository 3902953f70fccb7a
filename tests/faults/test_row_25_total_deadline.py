"""Row 25: a provider that says nothing, a byte a second, or nothing more after its headers."""

import threading

from headrace.states import BatchStatus, Outcome
from tests.batch_input import line
from tests.invariants import check
from tests.kinds import each_database_in_faults, on_sqlite
from tests.listener import listening, read_request
from tests.witness import attempts_of

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]

DEADLINE_SECONDS = 3.0
TOLERANCE_SECONDS = 1.0
SLOW = ("hang", "drip-headers", "drip")
HEADERS = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{"


def asking(fault, number=0):
    content = f"[[sim:{fault}]] {number}"
    return line(f"{fault}-{number}", body={"messages": [{"role": "user", "content": content}]})


def assert_ended_at_the_deadline(attempt):
    assert (attempt.outcome, attempt.error_code) == (Outcome.AMBIGUOUS, "timeout")
    took = (attempt.landed_at - attempt.departed_at).total_seconds()
    assert DEADLINE_SECONDS - 0.1 <= took <= DEADLINE_SECONDS + TOLERANCE_SECONDS


@each_database_in_faults
def test_the_deadline_is_for_the_whole_call(plant):
    witness = plant.provider(hang_seconds=60.0, drip_seconds=1.0)
    plant.worker(call_timeout_seconds=DEADLINE_SECONDS, max_attempts=1)
    sound = line("sound")

    batch = plant.finished(plant.submit(sound, *(asking(fault, n) for fault in SLOW for n in range(3))))

    assert (batch.status, batch.succeeded, batch.failed) == (BatchStatus.COMPLETED, 1, 9)
    attempts = attempts_of(plant.store.db, batch.id).values()
    late = [attempt for attempt in attempts if attempt.outcome != Outcome.SUCCEEDED]
    assert len(late) == 9
    for attempt in late:
        assert_ended_at_the_deadline(attempt)
        assert attempt.tokens_at_most > 0
    account = check(plant.store.db, [witness], files=plant.settings.files_dir)
    assert (account.calls, account.ambiguous) == (10, 9)


@on_sqlite
def test_a_provider_that_vanishes_after_its_headers_is_given_up_at_the_deadline(plant):
    done = threading.Event()

    def vanish(connection):
        read_request(connection)
        connection.sendall(HEADERS)
        done.wait(30)

    with listening(vanish) as address:
        plant.worker(
            provider_url=f"http://{address}/v1", call_timeout_seconds=DEADLINE_SECONDS, max_attempts=1
        )
        batch = plant.finished(plant.submit(asking("none")))
        done.set()

    assert batch.failed == 1
    (attempt,) = attempts_of(plant.store.db, batch.id).values()
    assert_ended_at_the_deadline(attempt)
