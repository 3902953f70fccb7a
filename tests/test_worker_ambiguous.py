"""Calls of unknown cost, against the provider's own bill; and a batch that asked to hold their jobs."""

from headrace.states import BatchStatus, JobState, Outcome
from tests.batch_input import line
from tests.invariants import check
from tests.kinds import each_database_in_faults, on_sqlite
from tests.simulated import eventually
from tests.witness import attempts_of

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]


def chat(text, custom_id, **body):
    return line(custom_id, body={"messages": [{"role": "user", "content": text}], **body})


@each_database_in_faults
def test_what_was_lost_on_the_way_costs_no_more_than_its_bound(plant):
    """Spoilt answers are billed by the provider and never stated to us."""
    witness = plant.provider()
    plant.worker()
    prompts = [
        chat("[[sim:cutx1]] The mill?", "english"),
        chat("[[sim:cutx1]] " + "水车为什么会转？" * 100, "chinese", n=3),
        chat("[[sim:garbagex1]] Why?", "capped", max_tokens=5),
        chat("[[sim:500x1]] once more", "error"),
        chat("All is well", "good"),
    ]

    batch = plant.finished(plant.submit(*prompts))

    calls = {call.attempt: call for call in witness.calls()}
    doubtful = [
        one
        for one in attempts_of(plant.store.db, batch.id).values()
        if one.outcome == Outcome.AMBIGUOUS and not one.total_tokens
    ]
    billed = [calls[one.id].usage["total_tokens"] for one in doubtful if calls[one.id].usage]
    assert billed
    for one in doubtful:
        assert (calls[one.id].usage or {"total_tokens": 0})["total_tokens"] <= one.tokens_at_most
    assert batch.ambiguous_calls == len(doubtful) == 4
    assert batch.ambiguous_tokens == sum(one.tokens_at_most for one in doubtful) >= sum(billed)
    assert check(plant.store.db, [witness]).succeeded == 5


@on_sqlite
def test_a_careful_batch_makes_no_doubtful_call_again_until_its_owner_says_so(plant):
    witness = plant.provider()
    batch_id = plant.submit(*(chat(f"[[sim:500x1]] {n}", str(n)) for n in range(3)), chat("Hi", "good"))
    plant.store.set_batch(batch_id, hold_ambiguous=True)
    plant.worker()
    held = eventually(lambda: all_held(plant, batch_id, 3), 30)
    assert witness.count("received") == 4

    for job in held[:2]:
        assert plant.store.unhold(job.id)
    plant.store.unhold(held[2].id, JobState.FAILED)

    batch = plant.finished(batch_id)
    assert (batch.status, batch.succeeded, batch.failed) == (BatchStatus.COMPLETED, 3, 1)
    account = check(plant.store.db, [witness], files=plant.settings.files_dir, allow=())
    assert account.calls == 6


def all_held(plant, batch_id, count):
    """The held jobs, once there are so many and the others have ended."""
    jobs = plant.store.jobs(batch_id)
    held = [job for job in jobs if job.state == JobState.HELD]
    done = [job for job in jobs if job.state == JobState.SUCCEEDED]
    return held if len(held) == count and len(held) + len(done) == len(jobs) > count else None
