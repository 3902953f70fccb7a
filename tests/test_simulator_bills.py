"""What the simulated provider bills: which tokens there are, and whether log, statistics and bill agree."""

import csv
import json
import time
from decimal import Decimal
from hashlib import sha256
from typing import Any, NamedTuple

import pytest
import requests

from headrace.simulator import SimulatorConfig, SimulatorProcess, chat, embeddings, responses
from headrace.simulator.call import Usage, service_tier
from headrace.simulator.counting import ExactCounter
from headrace.simulator.generation import plan
from headrace.simulator.prices import PriceList
from headrace.simulator.tokens import Counter
from tests.simulated import FAST, ask, eventually

DAY = 86_400
PRICE = "0.15,0.075,0.6,cache_write=0.2,audio_input=10,audio_output=20,request=0.000001,flex=0.5"
LONG_TEXT = "The water waits above the gate. " * 100


def cost_nanos(usage):
    """What the arithmetic says of a call of the model that has a price."""
    cost = PriceList([("m", PRICE)]).cost("m", "default", usage)
    assert cost is not None
    return cost.nanos


def planned(endpoint, body, config):
    """What a body would be billed."""
    return plan(endpoint.read(body, Counter()), sha256(json.dumps(body).encode()).digest(), config)[1]


def chats(config, count=200):
    """Usages of chats, no two alike."""
    return [
        planned(chat, {"model": "m", "messages": [{"role": "user", "content": f"{n} {LONG_TEXT}"}]}, config)
        for n in range(count)
    ]


def test_cache_writes_and_audio_are_parts_of_the_tokens_and_there_only_if_wanted():
    plain, rich = chats(SimulatorConfig()), chats(SimulatorConfig(cache_writes=True, audio=True))

    assert [usage[:4] for usage in plain] == [usage[:4] for usage in rich]
    assert {usage[4:] for usage in plain} == {(0, 0, 0)}
    assert all(any(usage[kind] for usage in rich) for kind in range(4, 7))
    for usage in rich:
        apart = usage.cached_tokens + usage.cache_write_tokens + usage.prompt_audio_tokens
        assert apart <= usage.prompt_tokens
        assert usage.completion_audio_tokens <= usage.completion_tokens - usage.reasoning_tokens
    assert rich == chats(SimulatorConfig(cache_writes=True, audio=True))


def test_what_an_answer_cannot_state_is_not_billed():
    config = SimulatorConfig(cache_writes=True, audio=True)
    embedded = [planned(embeddings, {"model": "m", "input": f"{n} {LONG_TEXT}"}, config) for n in range(50)]
    asked = [planned(responses, {"model": "m", "input": f"{n} {LONG_TEXT}"}, config) for n in range(50)]

    assert {usage[1:] for usage in embedded} == {(0,) * 6}
    assert any(usage.cache_write_tokens for usage in asked)
    assert {usage[5:] for usage in asked} == {(0, 0)}


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("flex", "flex"),
        ("priority", "priority"),
        ("fast", "priority"),
        ("auto", "default"),
        (["x"], "default"),
    ],
)
def test_the_tier_of_service_is_the_one_asked_for_if_there_is_one(asked, served):
    assert service_tier({"service_tier": asked}) == served


def test_prompts_can_be_counted_as_the_newer_models_of_openai_do():
    texts = ["You are brief.", "水车怎样转动？", "def f(x):\n    return x ** 2\n"]
    body = {"model": "m", "messages": [{"role": "user", "content": text} for text in texts]}
    exact = 4 + 6 + 11

    assert chat.read(body, ExactCounter()).prompt_tokens == exact + 3 * 4 + 3
    assert embeddings.read({"model": "m", "input": texts}, ExactCounter()).prompt_tokens == exact


def test_exact_counting_without_its_package_is_refused_with_the_way_to_get_it():
    with pytest.raises(ValueError, match=r"pip install 'headrace\[counting\]'"):
        ExactCounter("no_such_package")


class Account(NamedTuple):
    """What some calls were answered, and what the provider tells of them. `ended` has their last lines."""

    answers: list[requests.Response]
    ended: list[dict[str, Any]]
    stats: dict[str, Any]
    rows: list[dict[str, str]]


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    """A flex call, one of no price, four that are paid for and bring nothing, and three that are free."""
    log = tmp_path_factory.mktemp("bills") / "witness.jsonl"
    options = {"prices": (("m", PRICE),), "cache_writes": True, "audio": True, "count": "o200k", "log": log}
    with SimulatorProcess(SimulatorConfig(**FAST | options)) as simulator:
        answers = [
            ask(simulator, LONG_TEXT, service_tier="flex"),
            ask(simulator, LONG_TEXT, model="unpriced"),
        ]
        answers += [
            ask(simulator, f"{LONG_TEXT} [[sim:{fault}]]", reasoning_effort="high")
            for fault in ("empty", "paid-200", "paid-400", "paid-500", "400", "500", "429")
        ]
        lines = eventually(lambda: (text := log.read_text()).count("\n") == 18 and text.splitlines())
        stats, rows = simulator.stats(), list(csv.DictReader(simulator.bill().splitlines()))
    ended = [entry for entry in map(json.loads, lines) if entry["event"] == "ended"]
    return Account(answers, sorted(ended, key=lambda entry: entry["seq"]), stats, rows)


def test_a_failure_may_be_paid_for_and_say_so(account):
    paid = account.answers[3:6]

    assert [answer.status_code for answer in paid] == [200, 400, 500]
    assert all(answer.json()["error"]["code"] == "withheld" for answer in paid)
    assert all(answer.json()["usage"]["total_tokens"] for answer in paid)


def test_the_log_has_the_cost_of_each_call_as_its_answer_lets_one_compute_it(account):
    assert [line["cost_nanos"] for line in account.ended[6:]] == [0, 0, 0]
    assert account.ended[1]["cost_nanos"] is None
    for answer, line in zip(account.answers[:6], account.ended, strict=False):
        stated = answer.json()["usage"]
        heard, said = stated["prompt_tokens_details"], stated["completion_tokens_details"]
        usage = Usage(
            stated["prompt_tokens"],
            heard["cached_tokens"],
            stated["completion_tokens"],
            said["reasoning_tokens"],
            heard["cache_write_tokens"],
            heard["audio_tokens"],
            said["audio_tokens"],
        )
        assert line["usage"] == usage.as_dict()
        if line["seq"] > account.ended[1]["seq"]:
            assert line["cost_nanos"] == cost_nanos(usage) > 0
    assert account.answers[0].json()["service_tier"] == "flex"


def test_the_statistics_sum_the_cost_by_model(account):
    stats = account.stats
    of_m, of_the_other = stats["models"]["m"], stats["models"]["unpriced"]

    assert stats["billed_nanos"] == of_m["nanos"] == sum(line["cost_nanos"] or 0 for line in account.ended)
    assert (of_m["calls"], of_the_other["calls"], of_the_other["nanos"]) == (5, 1, None)
    assert stats["billed"] == {name: of_m[name] + of_the_other[name] for name in stats["billed"]}


def test_the_bill_adds_up_to_the_calls(account):
    amount = sum(Decimal(row["amount_value"]) for row in account.rows)

    assert amount == Decimal(account.stats["billed_nanos"]).scaleb(-9) > 0
    assert {"m, input", "m, output", "m, requests", "flex | m, output"} <= {
        row["line_item"] for row in account.rows
    }
    assert all(0 <= time.time() - int(row["start_time"]) < DAY + 60 for row in account.rows)
