"""Row 31, and the ledger: budgets that many reach at once, and a bill that agrees to the last nano."""

import pytest
from redis import Redis

from headrace.money import NANOS
from headrace.simulator.faults import PAID
from headrace.states import FINAL, JobState
from headrace.store import budgets
from headrace.store.admission import BUDGET_USED_UP
from tests.batch_input import line
from tests.bills import money_of
from tests.costing import MODELS, priced_provider
from tests.invariants import check
from tests.killing import Killing, let_go, reach
from tests.kinds import each_database_in_faults
from tests.simulated import eventually
from tests.witness import ALL_TOKENS, tokens_of

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]

FAULTS = (("paid-500", 0.05), ("paid-400", 0.02), ("paid-200", 0.03), ("cut", 0.02), ("500", 0.02))
TEXT = "The mill stands where the river leaves the hills. " * 40


def dialogue(number):
    """A request to one of three models; some reason, some ask for another tier."""
    body = {"model": MODELS[number % 3], "messages": [{"role": "user", "content": f"{number} {TEXT}"}]}
    if number % 4 == 0:
        body["reasoning_effort"] = "medium"
    if number % 6 == 1:
        body["service_tier"] = "flex"
    return line(f"line-{number}", body=body)


def ledger_of(plant):
    attempts = [one for job in plant.store.jobs() for one in plant.store.attempts(job.id)]
    return attempts, money_of(attempts)


def bills_agree(plant, *, jobs, kills, rpm, cancel_at):
    """Two batches, of which one is cancelled with calls in flight, and kills spread over the other."""
    witness = priced_provider(plant, rpm=rpm, latency_ms=300, faults=FAULTS, cache_writes=True)
    killing = Killing(plant, 2)
    doomed = plant.submit(*map(dialogue, range(jobs // 4)))
    reach(plant, doomed, cancel_at)
    plant.store.cancel_batch(doomed)
    batch_id = plant.submit(*map(dialogue, range(jobs // 4, jobs)))
    for kill in range(1, kills + 1):
        reach(plant, batch_id, (jobs - jobs // 4) * kill // (kills + 2))
        killing.kill(retire=True)
    let_go(plant, batch_id, jobs - jobs // 4)
    plant.finished(batch_id)
    plant.finished(doomed)

    account = check(plant.store.db, [witness], files=plant.settings.files_dir)  # equal call for call
    calls, (attempts, (exact, doubt, unpriced)) = witness.calls(), ledger_of(plant)
    doubtful = {one.id for one in attempts if one.cost_nanos is None}
    known = [call for call in calls if call.attempt not in doubtful]
    assert exact == sum(call.cost_nanos or 0 for call in known)
    assert doubt >= sum(call.cost_nanos or 0 for call in calls if call.attempt in doubtful)
    assert unpriced == sum(one.cost_nanos is None and one.cost_at_most_nanos is None for one in attempts) > 0
    billed = tokens_of((call.usage for call in known if call.usage), ALL_TOKENS)
    assert billed == tokens_of((one for one in attempts if one.id not in doubtful), ALL_TOKENS)
    assert all(billed[name] for name in ("cached_tokens", "reasoning_tokens", "cache_write_tokens"))
    paid_failures = sum(call.fault in PAID for call in calls)
    print(f"{exact} nanos, {doubt} at most, {unpriced} unpriced, {paid_failures} paid failures: {account}")


@pytest.mark.slow
@each_database_in_faults
def test_the_ledger_is_the_provider_s_bill_to_the_last_nano(plant):
    bills_agree(plant, jobs=320, kills=2, rpm=3600, cancel_at=10)


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_ten_thousand_jobs_are_billed_to_the_last_nano(plant):
    bills_agree(plant, jobs=10_000, kills=12, rpm=12_000, cancel_at=200)


def standing(plant, batch_id):
    row = plant.store.batch_row(batch_id)
    return row.cost_nanos + row.doubtful_nanos, row.reserved_nanos


def limit(plant, batch_id, nanos):
    row = plant.store.batch_row(batch_id)
    with plant.store.db.begin() as session:
        budgets.limit_batch(session, row, nanos)


def is_paused(plant, batch_id):
    states = {job.state for job in plant.store.jobs(batch_id)}
    return states <= {JobState.HELD, *FINAL} and JobState.HELD in states


def budget_holds(plant, redis_client_url, *, drains, jobs, latency_ms=200):
    """Drains in several workers reach one budget together, amid a Redis that loses everything."""
    table = "[prices.small-model]\ninput = 250\noutput = 250\n"
    witness = priced_provider(
        plant, rpm=60_000, tables=table, latency_ms=latency_ms, prices=(("small-model", "250,250,250"),)
    )
    for _ in range(drains):
        plant.start()
    batch_id = plant.submit(*(line(f"line-{n}") for n in range(jobs)))
    limit(plant, batch_id, NANOS)
    reach(plant, batch_id, 5)
    Redis.from_url(redis_client_url).flushdb()
    eventually(lambda: is_paused(plant, batch_id), 120)

    calls, (spent, reserved) = witness.calls(), standing(plant, batch_id)
    bound = max(
        one.cost_at_most_nanos for job in plant.store.jobs(batch_id) for one in plant.store.attempts(job.id)
    )
    billed = sum(call.cost_nanos or 0 for call in calls)
    print(f"{drains} workers: {len(calls)} calls, {billed} nanos billed, {spent} booked, bound {bound}")
    assert billed == spent <= NANOS
    assert reserved == 0
    assert spent + bound > NANOS  # not a call too few
    held = [job for job in plant.store.jobs(batch_id) if job.state == JobState.HELD]
    assert {job.error_code for job in held} == {BUDGET_USED_UP}
    assert all(job.attempts == len(plant.store.attempts(job.id)) == 0 for job in held)
    limit(plant, batch_id, 1000 * NANOS)
    plant.finished(batch_id, 120)
    check(plant.store.db, [witness])
    assert plant.store.batch_row(batch_id).succeeded == jobs


@pytest.mark.slow
@each_database_in_faults
def test_a_budget_that_several_workers_reach_at_once_is_not_overspent(plant, redis_client_url):
    budget_holds(plant, redis_client_url, drains=3, jobs=150)


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_thirty_two_workers_spend_a_dollar_and_not_a_cent_more(plant, redis_client_url):
    budget_holds(plant, redis_client_url, drains=32, jobs=400)
