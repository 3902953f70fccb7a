import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from bench.provider_process import ProviderProcess
from tests.simulated import eventually

LATENCY_SECONDS = 0.2


@pytest.fixture
def provider():
    with ProviderProcess(latency_ms=1000 * LATENCY_SECONDS) as provider:
        yield provider


def ask(provider):
    body = b'{"model": "bench", "messages": [{"role": "user", "content": "Hello"}]}'
    return requests.post(f"{provider.base_url}/chat/completions", data=body, timeout=10)


def connected(provider):
    host, port = provider.base_url.removeprefix("http://").removesuffix("/v1").split(":")
    return socket.create_connection((host, int(port)), timeout=10)


def test_the_cheap_provider_answers_a_completion_with_usage_after_its_latency(provider):
    began = time.monotonic()
    answer = ask(provider)

    assert time.monotonic() - began >= LATENCY_SECONDS
    assert answer.json()["choices"][0]["message"]["role"] == "assistant"
    usage = answer.json()["usage"]
    assert usage["prompt_tokens"] + usage["completion_tokens"] == usage["total_tokens"]


def test_the_cheap_provider_counts_its_calls_and_the_most_that_were_open_at_once(provider):
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(ask, [provider] * 5))
    ask(provider)

    seen = provider.seen()

    assert seen.calls == 6
    assert 1 < seen.most_in_flight <= 5
    assert seen.cpu_seconds > 0


def test_the_cheap_provider_reads_requests_however_they_are_cut(provider):
    request = b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 4\r\n\r\nbody"
    with connected(provider) as connection:
        for byte in request + request[:-2]:
            connection.sendall(bytes([byte]))
        eventually(lambda: provider.seen().calls == 1, 10)
        connection.sendall(request[-2:] + request * 2)
        eventually(lambda: provider.seen().calls == 4, 10)


def test_the_cheap_provider_says_what_it_does_not_understand(provider):
    answer = requests.post(f"{provider.base_url}/chat/completions", data=iter([b"chunk"]), timeout=10)

    assert answer.status_code == 411
    assert provider.seen().calls == 0


def test_the_cheap_provider_lists_its_model(provider):
    listed = requests.get(f"{provider.base_url}/models", timeout=10).json()

    assert [model["id"] for model in listed["data"]] == ["bench"]


def test_the_cheap_provider_goes_on_when_a_client_hangs_up(provider):
    with connected(provider) as connection:
        connection.sendall(b"POST /v1/x HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
        eventually(lambda: provider.seen().calls == 1, 10)

    assert ask(provider).status_code == 200


def test_the_cheap_provider_is_gone_after_the_bench():
    with ProviderProcess(latency_ms=0) as provider:
        assert ask(provider).status_code == 200

    with pytest.raises(requests.ConnectionError):
        ask(provider)
