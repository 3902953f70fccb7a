"""A provider's list of models, in the shapes that there are, and from providers that misbehave."""

import json
from typing import Any

import pytest
from pydantic import SecretStr

from headrace.config import Provider
from headrace.simulator import SimulatorConfig, SimulatorProcess
from headrace.store.provider_models import Served
from tests.servers import free_port
from tests.simulated import FAST
from worker import model_list
from worker.model_list import NoAnswer, NoList, models_of, parsed

KEY = "sk-the-providers-key"
OPENAI = [
    {"id": "gpt-5-mini", "object": "model", "created": 1754425928, "owned_by": "system"},
    {"id": "gpt-5", "object": "model", "created": 1754425777, "owned_by": "system", "shutdown_date": None},
]
VLLM: dict[str, Any] = {
    "id": "meta-llama/Llama-3.1-8B-Instruct",
    "object": "model",
    "created": 1763000000,
    "owned_by": "vllm",
    "root": "meta-llama/Llama-3.1-8B-Instruct",
    "parent": None,
    "max_model_len": 131072,
    "permission": [{"id": "modelperm-1", "object": "model_permission"}],
}
LLAMA_CPP = {
    "object": "list",
    "models": [{"name": "a.gguf", "model": "a.gguf", "type": "model"}],
    "data": [{"id": "a.gguf", "created": 1763000001.7, "owned_by": "llamacpp", "meta": {"n_params": 1}}],
}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            {"object": "list", "data": OPENAI},
            [Served("gpt-5", 1754425777, "system"), Served("gpt-5-mini", 1754425928, "system")],
        ),
        ({"data": [VLLM]}, [Served(VLLM["id"], 1763000000, "vllm")]),
        (LLAMA_CPP, [Served("a.gguf", 1763000001, "llamacpp")]),
        ({"object": "list", "data": None}, []),
        ({"object": "list", "data": []}, []),
        ([{"id": "bare", "created": 0, "type": "chat"}], [Served("bare", 0, "")]),
        ({"data": [{"id": "models/x", "owned_by": None, "created": None}]}, [Served("models/x", 0, "")]),
        ({"data": [{"id": "x", "owned_by": 7, "created": "2026"}]}, [Served("x", 0, "")]),
        ({"data": [{"id": "x", "created": -1}, {"id": "y", "created": 1e300}]}, [("x", 0, ""), ("y", 0, "")]),
        ({"data": [{"id": "x", "created": 2}, {"id": "x", "created": 1}]}, [("x", 2, "")]),
        (
            {"data": [{}, None, 5, {"id": ""}, {"id": 3}, {"id": "a\0"}, {"id": "m" * 513}, {"id": "b"}]},
            [("b", 0, "")],
        ),
        ({"data": [{"id": "x", "owned_by": "a\0b"}]}, [("x", 0, "")]),
    ],
)
def test_every_known_shape_is_understood_and_what_has_no_name_left_out(answer, told):
    assert parsed(json.dumps(answer).encode()) == told


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b"{",
        b"{}",
        b"null",
        b"7",
        b'{"data": {}}',
        b'{"error": {"message": "no"}}',
        b"[" * 9999,
    ],
)
def test_anything_else_is_no_list(answer):
    with pytest.raises(NoList):
        parsed(answer)


def test_the_first_ten_thousand_models_are_enough():
    many = [{"id": f"m-{number}"} for number in range(20_000)]

    assert {model.id for model in parsed(json.dumps(many).encode())} == {f"m-{n}" for n in range(10_000)}


@pytest.fixture
def asking():
    """Asks a simulator of this configuration, a fault of which comes soon."""
    started = []

    def ask(key=KEY, **config):
        simulator = SimulatorProcess(SimulatorConfig(key=KEY, **FAST | config))
        started.append(simulator)
        simulator.start()
        return models_of(Provider(name="p", base_url=simulator.base_url, key=SecretStr(key)))

    yield ask
    for simulator in started:
        simulator.stop()


def test_the_request_has_the_key(asking):
    assert asking(models=("b/one", "a")) == [
        Served("a", 1_750_000_000, "headrace"),
        Served("b/one", 1_750_000_000, "headrace"),
    ]
    with pytest.raises(NoList, match="status 401"):
        asking(key="sk-a-wrong-one")


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("404", NoList),
        ("403", NoList),
        ("429", NoList),
        ("500", NoAnswer),
        ("529", NoAnswer),
        ("html", NoList),
        ("garbage", NoList),
        ("deep", NoList),
        ("redirect", NoList),
        ("huge", NoList),
        ("gzip-bomb", NoList),
        ("cut", NoAnswer),
        ("reset", NoAnswer),
        ("hang", NoAnswer),
    ],
)
def test_a_provider_that_misbehaves_tells_nothing(asking, monkeypatch, fault, kind):
    monkeypatch.setattr(model_list, "SECONDS", 1.0)

    with pytest.raises(NoList) as caught:
        asking(models_fault=fault, huge_bytes=100_000_000)

    assert type(caught.value) is kind
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{port}/v1", "http://no-such-host.invalid/v1", "http:///v1"]
)
def test_a_provider_that_is_not_there_tells_nothing(url):
    with pytest.raises(NoAnswer):
        models_of(Provider(name="p", base_url=url.format(port=free_port()), key=SecretStr("sk-a")))


def test_a_key_that_cannot_be_sent_is_not_shown():
    with pytest.raises(NoAnswer) as caught:
        models_of(Provider(name="p", base_url="http://127.0.0.1:1/v1", key=SecretStr("sk-a\r\nb")))

    assert "sk-" not in str(caught.value)
