"""The simulated provider as its clients see it, on real sockets."""

import json
import socket

import openai
import pytest

from headrace.simulator import SimulatorConfig, SimulatorProcess
from headrace.simulator.tokens import count_text
from tests.simulated import FAST, ask, port_of


@pytest.fixture(scope="module")
def simulator():
    with SimulatorProcess(SimulatorConfig(**FAST)) as running:
        yield running


def test_the_openai_sdk_finds_every_answer_well_formed(simulator):
    with openai.OpenAI(
        base_url=simulator.base_url, api_key="k", max_retries=0, _strict_response_validation=True
    ) as client:
        messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "水车怎样转动？"}]
        chat = client.chat.completions.create(model="m", messages=messages, n=2, reasoning_effort="high")
        assert [choice.index for choice in chat.choices] == [0, 1]
        assert "水车怎样转动" in chat.choices[0].message.content
        assert 0 < chat.usage.completion_tokens_details.reasoning_tokens < chat.usage.completion_tokens
        texts = client.completions.create(model="m", prompt=["one", "two"], n=2, max_tokens=500)
        assert [choice.index for choice in texts.choices] == [0, 1, 2, 3]
        assert "two" in texts.choices[3].text
        default = client.embeddings.create(model="m", input=["a", "b"])
        floats = client.embeddings.create(model="m", input=["a", "b"], encoding_format="float")
        assert default.data[1].embedding == pytest.approx(floats.data[1].embedding)
        assert len(client.embeddings.create(model="m", input="a", dimensions=64).data[0].embedding) == 64
        response = client.responses.create(model="m", input="How?", reasoning={"effort": "low"})
        assert "How?" in response.output_text
        cut = client.responses.create(model="m", input=[{"role": "user", "content": "x"}], max_output_tokens=3)
        assert (cut.status, cut.incomplete_details.reason) == ("incomplete", "max_output_tokens")
        assert cut.usage.output_tokens == 3
        assert [model.object for model in client.models.list()] == ["model", "model"]


def test_the_same_request_gets_the_same_answer_of_the_stated_length(simulator):
    first, second = (ask(simulator, "What is a headrace?" * 40).json() for _ in range(2))
    assert (first["choices"], first["usage"]) == (second["choices"], second["usage"])
    text = first["choices"][0]["message"]["content"]
    assert count_text(text) == pytest.approx(first["usage"]["completion_tokens"], abs=1)
    lengths = [ask(simulator, f"{n}").json()["usage"]["completion_tokens"] for n in range(100)]
    assert 45 < sum(lengths) / 100 < 75
    assert len(set(lengths)) > 30
    cached = {ask(simulator, f"{n}" * 900).json()["usage"]["prompt_tokens_details"]["cached_tokens"] for n in range(9)}
    assert len(cached) > 1
    assert all(tokens % 128 == 0 for tokens in cached)
    short = ask(simulator, max_tokens=5).json()
    assert (short["choices"][0]["finish_reason"], short["usage"]["completion_tokens"]) == ("length", 5)


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
        ("chat/completions", {"messages": [{"role": "user", "content": "[[sim:tea]]"}]}, 400, None, "unknown_fault"),
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
    with SimulatorProcess(SimulatorConfig(latency_ms=20)) as slow:
        with socket.create_connection(("127.0.0.1", port_of(slow)), timeout=5) as connection:
            for body in bodies:
                head = f"POST /v1/completions HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n"
                connection.sendall(head.encode() + body)
            connection.sendall(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")
            stream = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    places = [stream.index(f"number {n} end") for n in range(3)]
    assert places == sorted(places)
    assert stream.index('"status":"ok"') > places[2]
