import socket
import time
from urllib.parse import urlsplit

import pytest
import requests
from rich.console import Console

from bench import first_call
from bench.arrivals import arrivals
from bench.first_call import Findings
from bench.first_ways import KNOWN, Way

HEAD = "POST /v1/chat/completions HTTP/1.1\r\nContent-Length: {}\r\n\r\n"


def found(*first_bytes):
    return Findings("sqlite", 0.0, [Way(KNOWN, 0.01, 0.02, seconds, 0.001) for seconds in first_bytes])


def test_the_first_byte_of_a_call_counts_and_not_its_last():
    body = '{"messages": [{"role": "user", "content": "call-7"}]}'
    with arrivals() as provider, socket.create_connection(address(provider)) as client:
        began = time.monotonic()
        client.sendall(HEAD.format(len(body)).encode())
        time.sleep(0.5)
        sent_more = time.monotonic()
        client.sendall(body.encode())

        assert began <= provider.time_of("call-7", 10) < sent_more
        assert client.recv(12) == b"HTTP/1.1 200"


def test_calls_on_one_connection_are_told_apart():
    with arrivals() as provider, requests.Session() as client:
        for name in ("call-1", "call-bare-1"):
            answer = client.post(f"{provider.base_url}/chat/completions", json=[name], timeout=10)
            assert answer.json()["object"] == "chat.completion"

        assert provider.time_of("call-1", 10) < provider.time_of("call-bare-1", 10)


def test_a_call_that_never_comes_is_an_error():
    with arrivals() as provider, pytest.raises(TimeoutError, match="call-9"):
        provider.time_of("call-9", 0.01)


def test_a_quick_stack_keeps_both_promises():
    assert first_call.report([found(*[0.02] * 99, 5.0)]).broken == []


def test_a_slow_one_breaks_them_one_by_one():
    slow_now_and_then = first_call.report([found(*[0.02] * 98, 1.1, 1.1)])
    slow = first_call.report([found(*[0.31] * 100)])

    assert slow_now_and_then.broken == ["a call leaves after its job came, p99, sqlite"]
    assert slow.broken == ["a call leaves after its job came, median, sqlite"]


@pytest.mark.benches
@pytest.mark.slow
@pytest.mark.parametrize("database", first_call.DATABASES)
def test_the_program_runs(database):
    report = first_call.measure(Console(quiet=True), jobs=11, databases=[database])

    seen = report.figures[database]
    assert report.figures["jobs"] == seen["jobs"] == 11
    steps = seen["median_seconds"]
    assert 0 < steps["bare"] < steps["first_byte"]
    assert 0 < steps["departed"] < steps["first_byte"]


def address(provider):
    where = urlsplit(provider.base_url)
    return where.hostname, where.port
