"""The simulated provider's arithmetic, which is its own, against sums done by hand and by decimals."""

import csv
from decimal import ROUND_HALF_EVEN

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.simulator import SimulatorConfig
from headrace.simulator.bill import Bill
from headrace.simulator.call import Usage
from headrace.simulator.prices import Cost, PriceList

MINI = "0.15,0.075,0.6"
DAY = 86_400


def cost(price, usage, tier="default"):
    return PriceList([("m", price)]).cost("m", tier, usage)


@pytest.mark.parametrize(
    ("price", "usage", "nanos"),
    [
        (MINI, Usage(1000, 0, 100), 150_000 + 60_000),
        (MINI, Usage(1000, 400, 100, 60), 600 * 150 + 400 * 75 + 60_000),
        (MINI, Usage(1000, 0, 0, cache_write_tokens=200), 150_000),
        (MINI + ",cache_write=0.3", Usage(1000, 400, 0, 0, 200), 400 * 150 + 400 * 75 + 200 * 300),
        (MINI + ",audio_input=10,audio_output=20", Usage(100, 0, 50, 0, 0, 30, 20), 310_500 + 418_000),
        (MINI + ",request=0.001", Usage(1000), 1_150_000),
        (MINI + ",request=0.001,discount=0.5", Usage(1000), 575_000),
        ("0,0,0", Usage(1000, 10, 10), 0),
        ("0.0005,0,0", Usage(1), 0),  # half a nano, to the even one below
        ("0.0015,0,0", Usage(1), 2),
        ("0.00150000000000000000000000000000000001,0,0", Usage(1), 2),
        ("0.00250000000000000000000000000000000001,0,0", Usage(1), 3),
    ],
)
def test_a_call_costs_what_its_tokens_cost_rounded_once_and_half_to_even(price, usage, nanos):
    assert cost(price, usage).nanos == nanos


def test_tiers_of_service_have_factors_and_others_have_none():
    price, usage = MINI + ",flex=0.5,priority=1.7", Usage(1000)

    assert [cost(price, usage, tier).nanos for tier in ("default", "flex", "priority")] == [
        150_000,
        75_000,
        255_000,
    ]
    assert cost(MINI, usage, "flex") == cost(MINI, usage)


def test_a_model_without_a_price_has_no_cost_rather_than_none_to_pay():
    assert PriceList([("m", MINI)]).cost("n", "default", Usage(10)) is None


@pytest.mark.parametrize(
    ("price", "told"),
    [
        ("1,2", "INPUT,CACHED,OUTPUT"),
        ("1,2,3,input=4", "each extra once"),
        ("1,2,3,request=4,request=5", "each extra once"),
        ("1,2,x", "'x' is no amount"),
        ("1,2,3,request", "'' is no amount"),
        ("1,2,-3", "no amount to pay"),
        ("1,2,NaN", "no amount to pay"),
        ("1,2,3,tea=4", "no 'tea'"),
        ("1,2,3,discount=1.1", "discount"),
    ],
)
def test_a_price_that_is_none_is_refused_in_words(price, told):
    with pytest.raises(ValueError, match=told):
        SimulatorConfig(prices=(("m", price),))


rates = st.decimals(0, 100, places=7)


@given(
    st.tuples(rates, rates, rates, rates, rates, rates),
    st.decimals(0, 1, places=3),
    st.tuples(*[st.integers(0, 10_000)] * 7),
)
def test_the_parts_of_a_cost_add_up_to_what_decimals_say(rates, discount, counts):
    text, cached, written, heard, answer, said, reasoning = counts
    usage = Usage(
        text + cached + written + heard, cached, answer + said, min(reasoning, answer), written, heard, said
    )
    extras = zip(("cache_write", "audio_input", "audio_output"), rates[3:], strict=True)
    named = ",".join(f"{name}={rate}" for name, rate in [*extras, ("discount", discount)])
    dollars = sum(
        count * rate for count, rate in zip((text, cached, answer, written, heard, said), rates, strict=True)
    )

    made = cost(f"{rates[0]},{rates[1]},{rates[2]},{named}", usage)

    exact = dollars * (1 - discount) * 1000
    assert made.nanos == exact.to_integral_value(ROUND_HALF_EVEN)
    assert sum(made.items.values()) == made.nanos
    assert all(amount >= 0 for amount in made.items.values())


def test_a_bill_has_a_row_for_each_day_and_line_item_and_loses_no_nano():
    bill = Bill()
    bill.add(10 * DAY - 0.001, "m", "default", Cost(5, {"input": 3, "output": 2}))
    bill.add(10 * DAY, "m", "priority", Cost(1_234_567_890, {"output": 1_234_567_890}))
    bill.add(10 * DAY + 1, "m", "priority", Cost(1, {"output": 1}))
    bill.add(10 * DAY + 1, 'a "b", c', "default", Cost(7, {"cached input": 7}))

    rows = list(csv.DictReader(bill.as_csv().decode().splitlines()))

    assert [(row["start_time"], row["line_item"], row["amount_value"]) for row in rows] == [
        (str(9 * DAY), "m, input", "0.000000003"),
        (str(9 * DAY), "m, output", "0.000000002"),
        (str(10 * DAY), 'a "b", c, cached input', "0.000000007"),
        (str(10 * DAY), "priority | m, output", "1.234567891"),
    ]
    assert rows[0] | {"line_item": "", "amount_value": ""} == {
        "start_time": "777600",
        "end_time": "864000",
        "start_time_iso": "1970-01-10T00:00:00+00:00",
        "end_time_iso": "1970-01-11T00:00:00+00:00",
        "amount_value": "",
        "amount_currency": "usd",
        "line_item": "",
        "project_id": "proj_simulator",
        "organization_id": "org-simulator",
    }
