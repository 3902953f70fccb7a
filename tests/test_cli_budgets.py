"""Budgets on the command line: of a batch, of a key, and of what is held for them."""

import json
from decimal import Decimal
from functools import partial

import pytest

from headrace.pricing import Price, Rates
from headrace.states import Period
from tests.budgeting import limit_batch, standing, sweep
from tests.commands import in_process
from tests.kinds import on_sqlite
from tests.scene import AT_MOST, retried, succeeded

pytest_plugins = ["tests.databases", "tests.api_fixtures"]
pytestmark = on_sqlite

PRICE = Price("mill", "large-model", "the tests", rates=Rates(input=Decimal(1000), output=Decimal(1000)))
MOST = AT_MOST * 10**6  # nanos


@pytest.fixture
def headrace(api, store, tmp_path, monkeypatch, capfd):
    """Runs a command against the API; returns its exit status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADRACE_URL", api.url)
    monkeypatch.setenv("HEADRACE_API_KEY", api.secret)
    monkeypatch.setenv("HEADRACE_DATABASE_URL", store.db.engine.url.render_as_string(hide_password=False))
    return partial(in_process, monkeypatch, capfd)


def test_a_submitted_input_may_have_a_budget(headrace, store, tmp_path):
    (tmp_path / "prompts.txt").write_text("Hello?\n")

    status, said, _ = headrace("submit", "prompts.txt", "-m", "m", "--budget", "12.345678901")

    assert status == 0
    assert store.batch_row(said.strip()).budget_nanos == 12_345_678_901


def test_a_batch_s_budget_is_shown_and_changed_and_taken_away(headrace, store):
    batch_id = store.batch()
    nothing = "$0.00 spent"

    assert headrace("budget", batch_id)[:2] == (0, f"{batch_id}: {nothing}, and no budget\n")
    status, said, _ = headrace("budget", batch_id, "2.50")
    assert (status, said) == (
        0,
        f"{batch_id}: {nothing} of $2.50, $0.00 reserved for calls under way\n",
    )
    assert store.batch_row(batch_id).budget_nanos == 25 * 10**8
    assert headrace("budget", batch_id, "none")[0] == 0
    assert store.batch_row(batch_id).budget_nanos is None


@pytest.mark.parametrize("arguments", [("budget", "b", "much"), ("submit", "p.txt", "--budget", "-1")])
def test_what_is_no_amount_ends_with_2(headrace, arguments):
    status, _, told = headrace(*arguments)

    assert status == 2
    assert "amount of USD" in " ".join(told.split())


def test_requests_that_wait_for_a_budget_are_one_line_for_each_batch(headrace, store):
    store.charge(PRICE)
    batch_id, other = store.batch(lines=30), store.batch(lines=1)
    limit_batch(store, batch_id, MOST)
    store.set_batch(other, hold_ambiguous=True)
    first, *_ = store.fly(1)
    store.land(succeeded(first))
    store.land(*map(retried, store.fly()))
    sweep(store)

    status, said, _ = headrace("held")

    assert status == 0
    rows = [line for line in said.splitlines() if "job_" in line]
    (waiting,) = (row for row in rows if batch_id in row)
    assert len(rows) == 2
    assert "and 28 more" in waiting
    assert "of $2.00, $0.03000 are spent" in waiting
    assert headrace("budget", batch_id)[1].endswith("; used up: another call does not fit\n")
    listed = [json.loads(line) for line in headrace("held", "--json")[1].splitlines()]
    assert sum(job["waits_for_budget"] for job in listed) == 29


def test_a_key_s_budgets_are_shown_and_changed_in_the_database(headrace, api, store):
    assert headrace("keys", "budget", api.key_id)[:2] == (0, f"{api.key_id} has no budget\n")

    status, said, _ = headrace("keys", "budget", api.key_id, "--day", "5", "--total", "100")

    assert status == 0
    rows = {line.split()[0]: line for line in said.splitlines() if "$" in line}
    assert set(rows) == {"day", "total"}
    assert "$5.00" in rows["day"]
    assert "00:00 UTC" in rows["day"]
    assert standing(store, Period.TOTAL).limit_nanos == 100 * 10**9
    assert "day" not in headrace("keys", "budget", api.key_id, "--day", "none")[1]
    assert standing(store, Period.DAY) is None


def test_a_key_that_there_is_not_has_no_budget(headrace):
    status, _, told = headrace("keys", "budget", "key_none", "--day", "5")

    assert (status, told) == (1, "error: there is no live key key_none\n")
