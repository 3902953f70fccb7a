"""Which price is in force for a call, and where it comes from."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from headrace.config import Config
from headrace.pricing import Price, Rates
from headrace.pricing.book import PriceBook
from headrace.pricing.listed import listed_price
from tests.configuring import configured

pytest_plugins = ["tests.nowhere"]

AT = datetime(2026, 7, 1, 12, 30, 15, tzinfo=UTC)
OPENAI = "https://api.openai.com/v1"
PROVIDERS = """
[providers.openai]
[providers.local]
base_url = "http://127.0.0.1:11434/v1"
[quotas.q]
provider = "openai"
[quotas.l]
provider = "local"
[models."gpt-4.1"]
quota = "q"
[models.mine]
quota = "q"
provider_model = "gpt-4.1"
[models.llama]
quota = "l"
"""


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")


@pytest.fixture
def book(tmp_path):
    """Makes the book of a configuration with these prices."""
    return lambda prices="": Asked(configured(PROVIDERS + prices, tmp_path))


class Asked:
    def __init__(self, config: Config) -> None:
        self.config, self.book = config, PriceBook(config)

    def price(self, lane: str, at: datetime = AT) -> Price:
        route = self.config.route(lane)
        assert route
        return self.book.price(lane, route, at)


def test_without_a_table_it_is_the_listed_price_of_the_model_at_the_provider(book):
    price = book().price("mine")

    listed = listed_price(OPENAI, "gpt-4.1", AT)
    assert listed
    assert (price.provider, price.model, price.source) == ("openai", "gpt-4.1", listed.source)
    assert (price.rates, price.tiers, price.service_tiers) == (
        listed.terms.rates,
        listed.terms.tiers,
        listed.service_tiers,
    )
    assert price.is_known


def test_a_model_that_nobody_has_a_price_for_is_unknown(book):
    assert book().price("llama") == Price("local", "llama")


def test_a_table_with_rates_takes_the_place_of_the_list(book):
    price = book(
        '[prices."gpt-4.1"]\ninput = 0.1\noutput = 3\nper_request = 0.01\nnote = "EUR at 1.1"\n'
        "service_tiers = {flex = 0.5}"
    ).price("gpt-4.1")

    assert price == Price(
        "openai",
        "gpt-4.1",
        "headrace.toml [prices.gpt-4.1]",
        Rates(input=Decimal("0.1"), output=Decimal(3)),
        per_request=Decimal("0.01"),
        service_tiers=(("flex", Decimal("0.5")),),
        note="EUR at 1.1",
    )


def test_a_table_without_rates_is_a_discount_on_the_list(book):
    asked = book(
        '[prices.half]\nmodel = "mine"\nsince = 2026-07-01\ndiscount = 0.5\nservice_tiers = {scale = 3}'
    )
    price, listed = asked.price("mine"), asked.price("gpt-4.1")

    assert (price.rates, price.discount) == (listed.rates, Decimal("0.5"))
    assert dict(price.service_tiers) == {**dict(listed.service_tiers), "scale": Decimal(3)}
    assert price.source == f"headrace.toml [prices.half] since 2026-07-01 on {listed.source}"


def test_a_discount_on_what_is_not_listed_leaves_it_unknown(book):
    price = book("[prices.llama]\ndiscount = 0.5").price("llama")

    assert not price.is_known
    assert price.source == "headrace.toml [prices.llama]"


def test_of_several_tables_the_latest_that_has_begun_is_in_force(book):
    asked = book(
        "[prices.llama]\ninput = 1\n"
        '[prices.later]\nmodel = "llama"\ninput = 3\nsince = 2026-07-01T14:00:00+02:00\n'
        '[prices.sooner]\nmodel = "llama"\ninput = 2\nsince = 2026-06-01\n'
    )
    begins = [datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, 12, tzinfo=UTC)]
    seconds = timedelta(seconds=1)

    times = [begins[0] - seconds, begins[0], begins[1] - seconds, begins[1], begins[0]]
    assert [asked.price("llama", at).rates.input for at in times] == [1, 2, 2, 3, 2]
    assert asked.price("llama").source == "headrace.toml [prices.later] since 2026-07-01 12:00"


def test_a_price_is_the_same_object_until_it_changes(book):
    asked = book(
        '[prices.llama]\ninput = 1\n[prices.b]\nmodel = "llama"\ninput = 2\nsince = 2026-07-01T12:31:30'
    )
    first = asked.price("llama")

    assert asked.price("llama", AT + timedelta(seconds=44)) is first
    assert asked.price("llama", AT + timedelta(seconds=104)) is first  # 12:31:59: whole minutes count
    assert asked.price("llama", AT + timedelta(seconds=105)).rates.input == 2


def test_no_more_lanes_are_remembered_than_there_is_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("headrace.pricing.book.MOST_LANES", 3)
    asked = Asked(configured('[providers.p]\nbase_url = "http://h/v1"\n[quotas.q]\nprovider = "p"', tmp_path))

    for lane in "abcdefg":
        asked.price(lane)

    assert len(asked.book._seen) <= 3
