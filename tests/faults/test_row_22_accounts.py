"""Row 22: 401, 403, an empty account, an unknown model; from the start and in the middle, and repaired."""

import time
from functools import partial

import pytest
from sqlalchemy import func, update

from headrace.states import BatchStatus, JobState
from headrace.store import tables
from tests.batch_input import line, many
from tests.invariants import check
from tests.kinds import each_database_in_faults, on_sqlite
from tests.simulated import eventually

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]

# fault -> a word of the notice
REFUSALS = {"401": "401", "403": "403", "quota": "exceeded your current quota", "404": "does not exist"}
PROBES = 3
JOBS = 40
RPM = 1200
HORIZON_SECONDS = 2.0
PAUSE_SECONDS = 60.0


@pytest.fixture
def four_accounts(plant):
    """A provider, and a configuration with a quota and a model for each kind of refusal."""
    witness = plant.provider()
    tables = [f'[providers.p]\nbase_url = "{witness.base_url}"\nkey_env = "HEADRACE_PROVIDER_KEY"']
    tables += [
        f'[quotas.q{fault}]\nprovider = "p"\nrpm = {RPM}\n[models.m{fault}]\nquota = "q{fault}"'
        for fault in REFUSALS
    ]
    path = plant.settings.data_dir / "headrace.toml"
    path.write_text("\n".join(tables))
    for _ in range(2):
        plant.worker(config=path)
    return witness


def refused(fault):
    """Jobs all of whose calls are refused."""
    messages = [{"role": "user", "content": f"[[sim:{fault}]]"}]
    body = {"model": f"m{fault}", "messages": messages}
    return [line(f"{fault}-{number}", body=body) for number in range(JOBS)]


def submitted(plant, lines):
    """A batch whose lines are all jobs; the next one may have the same input file."""
    batch_id = plant.submit(*lines)
    eventually(lambda: len(plant.store.jobs(batch_id)) == len(lines), 20)
    return batch_id


def assert_held_back(plant, batch_id, word):
    eventually(lambda: word in (plant.store.batch_row(batch_id).notice or ""), 20)
    waiting = {(JobState.QUEUED, 0)}
    eventually(lambda: {(job.state, job.attempts) for job in plant.store.jobs(batch_id)} == waiting, 20)


@each_database_in_faults
def test_what_is_refused_from_the_start_pauses_after_three_calls_and_says_why(plant, four_accounts):
    batches = {fault: submitted(plant, refused(fault)) for fault in REFUSALS}

    for fault, batch_id in batches.items():
        assert_held_back(plant, batch_id, REFUSALS[fault])
    time.sleep(HORIZON_SECONDS + 1)  # nothing that was booked comes late

    for fault, batch_id in batches.items():
        assert 1 <= len(four_accounts.calls(f"m{fault}")) <= PROBES
        assert_held_back(plant, batch_id, REFUSALS[fault])
    check(plant.store.db, [four_accounts], allow=[JobState.QUEUED])


@pytest.mark.parametrize("fault", ["401", "quota"])
@on_sqlite
def test_an_account_that_is_refused_in_the_middle_gets_no_call_but_those_in_flight(plant, fault):
    witness = plant.provider()
    for _ in range(2):
        plant.worker(rpm=RPM)
    good = many(60)
    messages = [{"role": "user", "content": f"[[sim:{fault}]]"}]
    bad = [line(f"bad-{number}", body={"messages": messages}) for number in range(100)]

    batch_id = plant.submit(*good, *bad)

    eventually(lambda: REFUSALS[fault] in (plant.store.batch_row(batch_id).notice or ""), 30)
    time.sleep(HORIZON_SECONDS + 1)
    calls = witness.calls()
    refusals = [call.at for call in calls if call.status in (401, 429)]
    # Each worker hears of it from its own first refusal; what it has booked is due within the horizon.
    assert max(refusals) - min(refusals) < HORIZON_SECONDS + 1
    assert len(refusals) <= 2 * PROBES
    jobs = plant.store.jobs(batch_id)
    assert {job.attempts for job in jobs if job.state == JobState.QUEUED} == {0}
    assert len([job for job in jobs if job.state == JobState.SUCCEEDED]) == len(calls) - len(refusals)
    check(plant.store.db, [witness], allow=[JobState.QUEUED])


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_what_is_repaired_goes_on_by_itself_with_three_calls(plant, four_accounts):
    """Repaired after the first reopening failed too, with no more calls than the start."""
    batches = {fault: submitted(plant, refused(fault)) for fault in REFUSALS}
    first = {fault: settled_calls(plant, four_accounts, batches[fault], fault) for fault in REFUSALS}
    for fault, calls in first.items():
        eventually(partial(called_again, four_accounts, fault, calls), 90)
    second = {fault: settled_calls(plant, four_accounts, batches[fault], fault) for fault in REFUSALS}
    repair(plant)

    ended = {fault: plant.finished(batch_id, PAUSE_SECONDS + 60) for fault, batch_id in batches.items()}

    for fault, batch in ended.items():
        assert 1 <= first[fault] <= PROBES
        assert 1 <= second[fault] - first[fault] <= PROBES
        assert (batch.status, batch.succeeded, batch.notice) == (BatchStatus.COMPLETED, JOBS, None)
        assert {job.attempts for job in plant.store.jobs(batch.id)} == {1}
    check(plant.store.db, [four_accounts], files=plant.settings.files_dir)


def called_again(witness, fault, before):
    return len(witness.calls(f"m{fault}")) > before


def settled_calls(plant, witness, batch_id, fault):
    """How many calls there were when nothing is under way any more."""
    assert_held_back(plant, batch_id, REFUSALS[fault])
    time.sleep(HORIZON_SECONDS + 1)
    assert_held_back(plant, batch_id, REFUSALS[fault])
    return len(witness.calls(f"m{fault}"))


def repair(plant):
    """From now on nothing is refused: the markers that ask for it are gone from the prompts."""
    body = func.replace(tables.jobs.c.body, "[[sim:", "repaired: ")
    with plant.store.db.begin() as session:
        session.execute(update(tables.jobs).values(body=body))
