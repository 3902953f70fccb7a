"""The simulated provider as its clients see it, on real sockets."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
import requests

from headrace.simulator import SimulatorConfig, SimulatorProcess
from headrace.simulator.tokens import count_text
from tests.simulated import FAST, ask, port_of


@pytest.fixture(scope="module")
def simulator():
    with SimulatorProcess(SimulatorConfig(**FAST)) as running:
        yield running


@pytest.fixture
def client(simulator):
    with openai.OpenAI(
        base_url=simulator.base_url, api_key="k", max_retries=0, _strict_response_validation=True
    ) as strict:
        yield strict


def test_the_sdk_finds_chat_completions_well_formed(client):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "水车怎样转动？"}]

    chat = client.chat.completions.create(model="m", messages=messages, n=2, reasoning_effort="high")

    assert [choice.index for choice in chat.choices] == [0, 1]
    assert "水车怎样转动" in chat.choices[0].message.content
    assert 0 < chat.usage.completion_tokens_details.reasoning_tokens < chat.usage.completion_tokens
    assert chat.usage.total_tokens == chat.usage.prompt_tokens + chat.usage.completion_tokens


def test_the_sdk_finds_completions_well_formed(client):
    answer = client.completions.create(model="m", prompt=["one", "two"], n=2, max_tokens=500)

    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]


def test_the_sdk_finds_embeddings_well_formed_in_either_encoding(simulator, client):
    floats = client.embeddings.create(model="m", input=["a", "b"], encoding_format="float")
    # Left alone the SDK asks for base64, which its strict validation does not know.
    with openai.OpenAI(base_url=simulator.base_url, api_key="k") as lenient:
        packed = lenient.embeddings.create(model="m", input=["a", "b"], dimensions=8)

    assert [item.embedding for item in packed.data] == [pytest.approx(item.embedding) for item in floats.data]
    assert len(floats.data[0].embedding) == 8
    wide = client.embeddings.create(model="m", input="a", encoding_format="float", dimensions=64)
    assert len(wide.data[0].embedding) == 64


def test_the_sdk_finds_responses_well_formed(client):
    whole = client.responses.create(model="m", input="How?", reasoning={"effort": "low"})
    cut = client.responses.create(model="m", input=[{"role": "user", "content": "How?"}], max_output_tokens=3)

    assert "How?" in whole.output_text
    assert whole.usage.output_tokens_details.reasoning_tokens > 0
    assert (cut.status, cut.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert cut.usage.output_tokens == 3


def test_the_sdk_finds_models_well_formed(client):
    assert [model.object for model in client.models.list()] == ["model", "model"]


def test_the_same_request_gets_the_same_answer(simulator):
    first, second = (ask(simulator, "What is a headrace?").json() for _ in range(2))

    assert (first["choices"], first["usage"]) == (second["choices"], second["usage"])


@pytest.mark.parametrize("question", ["What is a headrace?", "什么是引水渠？", "Qué es?"])
def test_an_answer_has_the_length_that_its_usage_states(simulator, question):
    answer = ask(simulator, question).json()

    text = answer["choices"][0]["message"]["content"]
    assert question in text
    assert count_text(text) == pytest.approx(answer["usage"]["completion_tokens"], abs=1)


def test_lengths_spread_around_their_mean(simulator):
    lengths = [ask(simulator, f"{n}").json()["usage"]["completion_tokens"] for n in range(100)]

    assert 45 < sum(lengths) / len(lengths) < 75
    assert len(set(lengths)) > 30


def test_long_prompts_are_cached_in_part(simulator):
    usages = [ask(simulator, f"{n}" * 2000).json()["usage"] for n in range(10, 20)]

    cached = [usage["prompt_tokens_details"]["cached_tokens"] for usage in usages]
    assert len(set(cached)) > 1
    assert all(tokens % 128 == 0 for tokens in cached)
    assert all(usage["prompt_tokens"] >= tokens for usage, tokens in zip(usages, cached, strict=True))


@pytest.mark.parametrize("maximum", [{"max_tokens": 5}, {"max_completion_tokens": 5}])
def test_an_answer_ends_at_its_maximum(simulator, maximum):
    answer = ask(simulator, **maximum).json()

    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 5


@pytest.mark.parametrize(
    ("path", "body", "status", "param", "code"),
    [
        ("chat/completions", {"messages": None}, 400, "messages", "missing_required_parameter"),
        ("chat/completions", {"model": None}, 400, "model", "missing_required_parameter"),
        ("chat/completions", {"messages": [1]}, 400, "messages[0]", "invalid_type"),
        ("chat/completions", {"n": 0}, 400, "n", "invalid_value"),
        ("chat/completions", {"stream": True}, 400, "stream", "unsupported_value"),
        ("completions", {}, 400, "prompt", "missing_required_parameter"),
        ("embeddings", {"input": []}, 400, "input", "invalid_type"),
        ("responses", {}, 400, "input", "missing_required_parameter"),
        ("nowhere", {}, 404, None, "unknown_url"),
        (
            "chat/completions",
            {"messages": [{"role": "user", "content": "[[sim:tea]]"}]},
            400,
            None,
            "unknown_fault",
        ),
    ],
)
def test_a_wrong_request_is_refused_in_the_error_envelope(simulator, path, body, status, param, code):
    answer = ask(simulator, path=path, **body)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (status, param, code)
    assert error["type"] == "invalid_request_error"
    assert answer.headers["x-request-id"].startswith("req_")


def test_pipelined_requests_are_answered_in_order():
    bodies = [json.dumps({"model": "m", "prompt": f"number {n} end"}).encode() for n in range(3)]
    with (
        SimulatorProcess(SimulatorConfig(latency_ms=20)) as slow,
        socket.create_connection(("127.0.0.1", port_of(slow)), timeout=5) as connection,
    ):
        for body in bodies:
            head = f"POST /v1/completions HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)
        connection.sendall(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")
        stream = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    places = [stream.index(f"number {n} end") for n in range(3)]
    assert places == sorted(places)
    assert stream.index('"status":"ok"') > places[2]


def test_a_limit_is_refused_with_the_wait_and_named_in_the_headers():
    with SimulatorProcess(SimulatorConfig(**FAST, rpm=2, tpm=1000)) as limited:
        good = [ask(limited, max_tokens=1), ask(limited, max_tokens=1)]
        over = ask(limited)
        too_large = ask(limited, "word " * 2000)
        stats = limited.stats()

    assert [answer.status_code for answer in good] == [200, 200]
    assert good[1].headers["x-ratelimit-limit-requests"] == "2"
    assert good[1].headers["x-ratelimit-remaining-requests"] == "0"
    assert good[1].headers["x-ratelimit-reset-requests"].endswith("s")
    used = sum(answer.json()["usage"]["total_tokens"] for answer in good)
    assert good[1].headers["x-ratelimit-remaining-tokens"] == str(1000 - used)
    assert over.status_code == 429
    assert 50 <= int(over.headers["retry-after"]) <= 60
    error = over.json()["error"]
    assert (error["type"], error["code"]) == ("requests", "rate_limit_exceeded")
    assert "(RPM): Limit 2, Used 2, Requested 1. Please try again in 5" in error["message"]
    assert (too_large.status_code, too_large.json()["error"]["type"]) == (429, "tokens")
    assert too_large.json()["error"]["message"].startswith("Request too large")
    assert "retry-after" not in too_large.headers
    assert (stats["received"], stats["answered"], stats["rate_limited"]) == (4, 2, 2)
    assert stats["peak_60s"] == {"requests": 2, "tokens": used}
    assert stats["usage"] == stats["billed"]
    assert stats["usage"]["total_tokens"] == used


def test_reserving_charges_the_maximum_that_a_call_asks_for():
    with SimulatorProcess(SimulatorConfig(**FAST, tpm=100, charge="reserve")) as limited:
        assert ask(limited, max_tokens=90).status_code == 200
        assert ask(limited, max_tokens=90).status_code == 429
        assert limited.stats()["peak_60s"]["tokens"] > 90


def test_too_many_calls_at_once_are_told_to_slow_down():
    with (
        SimulatorProcess(SimulatorConfig(latency_ms=800, max_in_flight=2)) as limited,
        ThreadPoolExecutor(3) as pool,
    ):
        answers = list(pool.map(lambda n: ask(limited, f"{n}"), range(3)))
        assert limited.stats()["peak_in_flight"] == 2

    assert sorted(answer.status_code for answer in answers) == [200, 200, 429]
    assert {answer.json()["error"]["code"] for answer in answers if not answer.ok} == {"slow_down"}


def test_a_wanted_key_is_demanded():
    with SimulatorProcess(SimulatorConfig(**FAST, key="sk-right")) as locked:
        answers = [
            ask(locked, headers={"Authorization": f"Bearer {key}"}) for key in ("sk-wrong", "sk-right")
        ]
        assert requests.get(f"{locked.base_url}/models", timeout=5).status_code == 401

    assert [answer.status_code for answer in answers] == [401, 200]
    assert answers[0].json()["error"]["code"] == "invalid_api_key"


def test_a_body_over_the_cap_is_refused_and_its_sender_hears_it():
    with (
        SimulatorProcess(SimulatorConfig(**FAST, max_body_bytes=1000)) as small,
        socket.create_connection(("127.0.0.1", port_of(small)), timeout=10) as connection,
    ):
        connection.sendall(b"POST /v1/completions HTTP/1.1\r\nContent-Length: 4000000\r\n\r\n")
        connection.sendall(bytes(4_000_000))
        head, _, body = b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 413 ")
    assert json.loads(body)["error"]["type"] == "invalid_request_error"


def test_latency_is_kept():
    with SimulatorProcess(SimulatorConfig(latency_ms=100, latency_spread=0.5)) as slow:
        answers = [ask(slow, f"{n}") for n in range(8)]

    times = [int(answer.headers["openai-processing-ms"]) for answer in answers]
    assert all(millis >= 50 for millis in times)
    assert max(times) - min(times) > 20
