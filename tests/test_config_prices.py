"""`[prices.NAME]`: what is given is taken to the digit, what is wrong is named, and all of it at once."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from headrace.errors import ConfigurationError
from tests.configuring import configured

pytest_plugins = ["tests.nowhere"]

ANY_MODEL = '[providers.p]\nbase_url = "http://h/v1"\n[quotas.q]\nprovider = "p"\n'
ONE_MODEL = ANY_MODEL + '[models.m]\nquota = "q"\n'


def test_a_table_says_what_a_model_costs(tmp_path):
    config = configured(
        ANY_MODEL + '[prices.new]\nmodel = "gpt"\nsince = 2026-07-01\ninput = 0.1\n'
        "cached_input = 0.01\ncache_write = 0.125\n"
        "audio_input = 10\noutput = 0.3\naudio_output = 20\nper_request = 0.000_001\ndiscount = 0.25\n"
        'note = "EUR at 1.1"\n[prices.new.service_tiers]\nflex = 0.5\n',
        tmp_path,
    )

    table = config.prices["new"]
    assert (table.lane, table.since) == ("gpt", datetime(2026, 7, 1, tzinfo=UTC))
    assert table.rates() == {
        "input": Decimal("0.1"),
        "cached_input": Decimal("0.01"),
        "cache_write": Decimal("0.125"),
        "audio_input": Decimal(10),
        "output": Decimal("0.3"),
        "audio_output": Decimal(20),
    }
    assert (table.per_request, table.discount, table.note) == (Decimal("1e-6"), Decimal("0.25"), "EUR at 1.1")
    assert table.service_tiers == {"flex": Decimal("0.5")}


def test_a_table_is_for_the_model_of_its_name_and_from_ever_unless_it_says_otherwise(tmp_path):
    table = configured(ONE_MODEL + "[prices.m]\ninput = 0", tmp_path).prices["m"]

    assert (table.lane, table.since, table.rates()) == ("m", None, {"input": Decimal()})


@pytest.mark.parametrize(
    ("given", "hour"),
    [("2026-07-01T12:00:00", 12), ("2026-07-01 12:00:00Z", 12), ("2026-07-01T12:00:00-05:00", 17)],
)
def test_a_time_without_a_zone_is_in_utc(tmp_path, given, hour):
    table = configured(ANY_MODEL + f"[prices.m]\nsince = {given}", tmp_path).prices["m"]

    assert table.since == datetime(2026, 7, 1, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("input = -1", "prices.m.input: Input should be greater than or equal to 0"),
        ("input = nan", "prices.m.input: Input should be a finite number"),
        ('input = "1"', "prices.m.input: Value error, it is a number, without quotes"),
        ("input = true", "prices.m.input: Value error, it is a number"),
        ("input = 1e9", "prices.m.input: Input should be less than or equal to 1000000"),
        (
            "input = 0.0000000000001",
            "prices.m.input: Decimal input should have no more than 12 decimal places",
        ),
        ("output = 1", "prices.m: Value error, `input` is missing"),
        ("discount = 1.01", "prices.m.discount: Input should be less than or equal to 1"),
        ("discount = -0.1", "prices.m.discount: Input should be greater"),
        ("service_tiers = {flex = -1}", "prices.m.service_tiers.flex: Input should be greater"),
        ('since = "2026-07-01"', "prices.m.since: Value error, it is a date such as"),
        ("since = 12:00:00", "prices.m.since: Value error, it is a date such as"),
        ("inptu = 1", "prices.m.inptu: Extra inputs"),
        ("note = 5", "prices.m.note: Input should be a valid string"),
        ('name = "x"', r"a name is given in the brackets: [prices.name]"),
        ('model = "n"', "prices.m: there is no model 'n'"),
        ("[prices.n]", "prices.n: there is no model 'n'"),
        ('[prices.b]\nmodel = "m"', "prices.b: prices.m is for 'm' too, without `since`"),
        (
            'since = 2026-07-01\n[prices.b]\nmodel = "m"\nsince = 2026-07-01T02:00:00+02:00',
            "prices.b: prices.m is for 'm' too, since 2026-07-01 00:00 UTC",
        ),
    ],
)
def test_a_fault_is_told_with_its_place(tmp_path, line, fault):
    with pytest.raises(ConfigurationError) as refused:
        configured(ONE_MODEL + f"[prices.m]\n{line}", tmp_path)

    assert str(refused.value).startswith(f"{tmp_path / 'given.toml'}: {fault}")


def test_every_fault_of_prices_is_told_at_once(tmp_path):
    with pytest.raises(ConfigurationError) as refused:
        configured(
            ONE_MODEL
            + "[prices.m]\ninput = -1\ndiscount = 2\n[prices.n]\ninput = 1\n[quotas.r]\nprovider = 'x'",
            tmp_path,
        )

    for fault in (
        "prices.m.input",
        "prices.m.discount",
        "prices.n: there is no model",
        "there is no provider 'x'",
    ):
        assert fault in str(refused.value)


def test_without_models_a_price_may_be_for_any(tmp_path):
    assert set(configured(ANY_MODEL + "[prices.a]\n[prices.b]", tmp_path).prices) == {"a", "b"}


def test_numbers_of_other_tables_are_as_strict_as_before(tmp_path):
    with pytest.raises(ConfigurationError, match=r"quotas\.q\.rpm"):
        configured('[providers.p]\n[quotas.q]\nprovider = "p"\nrpm = 0.5', tmp_path)
