"""`headrace prices`: what would be charged, and where that comes from."""

import json
from functools import partial

import pytest

from tests.commands import in_process

pytest_plugins = ["tests.nowhere"]

FILE = """
[providers.openai]
key_env = "NOT_SET"
[providers.local]
base_url = "http://127.0.0.1:11434/v1"
[quotas.q]
provider = "openai"
[quotas.l]
provider = "local"
[models."gpt-4.1"]
quota = "q"
[models.mine]
quota = "l"
[models.llama]
quota = "l"
[prices.mine]
input = 1.50
output = 3
per_request = 0.001
note = "EUR at 1.1"
[prices.later]
model = "mine"
since = 2030-01-01
input = 2
output = 3
discount = 0.125
service_tiers = {flex = 0.5}
"""


@pytest.fixture
def headrace(monkeypatch, capfd):
    return partial(in_process, monkeypatch, capfd, "prices")


@pytest.fixture
def configured(tmp_path):
    (tmp_path / "headrace.toml").write_text(FILE)


@pytest.mark.usefixtures("configured")
def test_every_configured_model_is_listed_with_what_it_costs_and_why(headrace):
    status, told, _ = headrace()

    rows = {line.split()[0]: line for line in told.splitlines() if line.strip()}
    assert status == 0
    assert "$1.5 " in rows["mine"]
    for seen in ("local", "$1.5", "$3", "$0.001", "headrace.toml [prices.mine]", "EUR at 1.1"):
        assert seen in rows["mine"]
    for seen in ("openai", "$2", "$0.5", "$8", "priority x 1.75", "genai-prices "):
        assert seen in rows["gpt-4.1"]
    assert rows["llama"].count("unknown") == 3
    assert told.splitlines()[-1].startswith("1 of 3 unknown;")
    assert "[prices.NAME]" in told.splitlines()[-1]


@pytest.mark.usefixtures("configured")
def test_models_may_be_named_and_a_date(headrace):
    _, told, _ = headrace("mine", "--at", "2031-05-01")

    assert "gpt-4.1" not in told
    assert "unknown" not in told
    for seen in ("$2", "12.5 %", "flex x 0.5", "[prices.later] since 2030-01-01"):
        assert seen in told


@pytest.mark.usefixtures("configured")
def test_programs_get_an_object_a_line_with_amounts_as_text(headrace):
    _, told, _ = headrace("--json")

    mine = {each["model"]: each for each in map(json.loads, told.splitlines())}["mine"]
    assert mine.pop("id").startswith("price_")
    assert mine == {
        "model": "mine",
        "provider": "local",
        "model_at_provider": "mine",
        "known": True,
        "source": "headrace.toml [prices.mine]",
        "rates": {"input": "1.50", "output": "3"},
        "tiers": [],
        "per_request": "0.001",
        "discount": "0",
        "service_tiers": {},
        "note": "EUR at 1.1",
    }


@pytest.mark.usefixtures("configured")
def test_a_model_that_is_not_configured_is_named(headrace):
    assert headrace("gpt-9") == (2, "", "error: not in [models] of the configuration: gpt-9\n")


def test_without_a_configuration_models_must_be_named(headrace, monkeypatch):
    monkeypatch.setattr("headrace.cli.options.settled", lambda settings: settings)  # no file of the checkout

    status, _, told = headrace()
    assert (status, told.startswith("error: no model is configured: name some")) == (2, True)
    status, told, _ = headrace("gpt-4.1")
    assert (status, "$8" in told) == (0, True)
