"""`headrace reconcile`: the simulator's bill for calls that the ledger has, and bills that differ."""

import json
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.periods import DAY
from headrace.pricing import Price, Rates
from headrace.provider_bill import read_bill
from headrace.reconciling import Ours, reconcile
from headrace.simulator import bill as simulated
from headrace.simulator.call import Usage as SimulatedUsage
from headrace.simulator.prices import Cost, PriceList
from headrace.store import prices, usage_hours
from headrace.store.postings import Key, Posting
from headrace.usage import Usage
from tests.commands import in_process
from tests.kinds import each_database_in_faults
from tests.priced import usages

pytest_plugins = ["tests.databases", "tests.nowhere"]

FIRST = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp())
PRICE = Price(
    "openai",
    "m",
    rates=Rates(
        input=Decimal("0.15"),
        cached_input=Decimal("0.075"),
        cache_write=Decimal("0.2"),
        output=Decimal("0.6"),
    ),
    per_request=Decimal("0.000001"),
    service_tiers=(("flex", Decimal("0.5")),),
)
THEIRS = PriceList([("m", "0.15,0.075,0.6,cache_write=0.2,request=0.000001,flex=0.5")])


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(usages(), st.integers(0, 3 * DAY), st.sampled_from(["default", "flex"])),
        min_size=1,
        max_size=8,
    )
)
def test_what_the_simulator_bills_for_any_calls_agrees_to_the_last_digit(calls):
    bill, mine = simulated.Bill(), []
    for usage, seconds, tier in calls:
        usage = replace(usage, prompt_audio_tokens=0, completion_audio_tokens=0)
        bill.add(FIRST + seconds, "m", tier, charged(usage, tier))
        day = (FIRST + seconds) // DAY * DAY
        mine.append(Ours(day, "m", 1, cost_of(usage, tier), 0, 0))

    found = reconcile(mine, read_bill(bill.as_csv()).charges)

    assert {line.difference for line in [*found.lines, found.total]} == {0}


def cost_of(usage: Usage, tier: str = "") -> int:
    """Nanos at our price."""
    cost = PRICE.cost(usage, tier)
    assert cost is not None
    return cost


def charged(usage: Usage, tier: str = "default") -> Cost:
    """What the simulator charges for the same."""
    cost = THEIRS.cost(
        "m",
        tier,
        SimulatedUsage(
            usage.prompt_tokens,
            usage.cached_tokens,
            usage.completion_tokens,
            usage.reasoning_tokens,
            usage.cache_write_tokens,
            usage.prompt_audio_tokens,
            usage.completion_audio_tokens,
        ),
    )
    assert cost is not None
    return cost


@pytest.fixture
def headrace(store, monkeypatch, capfd):
    """Runs `headrace reconcile` on an empty database; returns exit status, standard output and error."""
    url = store.db.engine.url.render_as_string(hide_password=False)
    monkeypatch.setenv("HEADRACE_DATABASE_URL", url)
    return partial(in_process, monkeypatch, capfd, "reconcile")


@pytest.fixture
def billed(store, tmp_path):
    """Two days of calls in the ledger's sums, and the simulator's bill for them as a file."""
    bill = simulated.Bill()
    sums: dict[Key, Posting] = defaultdict(Posting)
    with store.db.begin() as session:
        prices.remember(session, PRICE)
        for number in range(30):
            usage = Usage(prompt_tokens=100 + number, cached_tokens=number, completion_tokens=17 * number)
            at = FIRST + 5000 * number
            key = Key(at // 3600 * 3600, store.key_id, "mine", PRICE.id, "", "", "")
            sums[key] = sums[key].plus(
                Posting(calls=1, prompt_tokens=usage.prompt_tokens, cost_nanos=cost_of(usage))
            )
            bill.add(at, "m", "default", charged(usage))
        usage_hours.add(session, dict(sorted(sums.items())))
    path = tmp_path / "bill.csv"
    path.write_bytes(bill.as_csv().replace(b"m, ", b"m-2026-10-31, "))
    return path


@each_database_in_faults
def test_the_command_says_that_they_agree_by_day_and_in_all(headrace, billed):
    status, told, _ = headrace(billed)

    assert status == 0
    assert [line.split()[0] for line in told.splitlines() if line.split()[-1:] == ["agrees"]] == [
        "2026-11-01",
        "2026-11-02",
        "all",
        "all",
        "ours",
    ]
    assert told.splitlines()[-1].endswith("difference $0.000000000: agrees")

    status, told, _ = headrace(billed, "--json", "--since", "2026-11-02", "--until", "2026-11-03")
    made = json.loads(told)
    assert (status, made["verdict"]) == (0, "agrees")
    assert [line["day"] for line in made["lines"]] == ["2026-11-02"]
    assert made["total"]["usd"] == made["total"]["billed_usd"] != "0"


@each_database_in_faults
def test_the_command_ends_with_1_where_something_is_missing(headrace, billed, store):
    lines = billed.read_text().splitlines()
    billed.write_text("\n".join([*lines[:-1], lines[-1].replace("output", "input")]))
    assert headrace(billed)[0] == 0  # the same money under another item of the model

    billed.write_text("\n".join(lines[:-1]))
    status, told, _ = headrace(billed)
    assert (status, told.splitlines()[-1].endswith(": differs")) == (1, True)

    with store.db.begin() as session:
        unknown = Key(FIRST, store.key_id, "m", "", "", "", "")
        usage_hours.add(session, {unknown: Posting(calls=1, unpriced_calls=1)})
    billed.write_text("\n".join([*lines, lines[-1]]))
    status, told, _ = headrace(billed)
    assert (status, told.splitlines()[-1].endswith("unknown: unpriced calls")) == (1, True)


@each_database_in_faults
def test_the_provider_must_be_named_where_calls_went_to_several(headrace, billed, store):
    other = Price("azure", "m", rates=Rates(input=Decimal(1)))
    with store.db.begin() as session:
        prices.remember(session, other)
        usage_hours.add(session, {Key(FIRST, store.key_id, "x", other.id, "", "", ""): Posting(calls=1)})

    status, _, told = headrace(billed)
    assert (status, told) == (2, "error: calls went to azure, openai: say whose bill it is with --provider\n")
    assert headrace(billed, "--provider", "openai")[0] == 0
    assert headrace(billed, "--provider", "nobody")[0] == 2


@each_database_in_faults
def test_a_bill_that_cannot_be_read_is_refused_with_its_lines(headrace, tmp_path):
    path = tmp_path / "bill.csv"
    path.write_text("date,amount\n2026-11-01,x\n" + "y,1\n" * 30)

    status, told, faults = headrace(path)

    assert (status, told) == (2, "")
    assert faults.splitlines()[0] == f"{path}:2: amount 'x' is no decimal number"
    assert faults.splitlines()[1].startswith(f"{path}:3: date 'y' is neither")
    assert faults.splitlines()[-1] == "and 11 more"
    assert headrace(tmp_path / "none.csv")[0] == 2
    assert headrace(path, "--since", "soon")[0] == 2
