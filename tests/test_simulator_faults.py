"""The simulated provider when it misbehaves."""

import email.utils
import json
import socket
import time
from collections import Counter
from itertools import islice
from urllib.parse import urljoin

import pytest
import requests

from headrace.simulator import SimulatorConfig, SimulatorProcess
from tests.simulated import FAST, ask, eventually, port_of


@pytest.fixture(scope="module")
def simulator():
    with SimulatorProcess(SimulatorConfig(**FAST)) as running:
        yield running


def ask_for(simulator, fault, **options):
    return ask(simulator, f"Please [[sim:{fault}]]", **options)


def raw_answer(simulator, fault):
    """Every byte until the provider closes."""
    body = json.dumps({"model": "m", "prompt": f"[[sim:{fault}]]"})
    with socket.create_connection(("127.0.0.1", port_of(simulator)), timeout=10) as connection:
        head = f"POST /v1/completions HTTP/1.1\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall((head + body).encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    ("fault", "status", "kind", "code"),
    [
        ("400", 400, "invalid_request_error", "invalid_value"),
        ("401", 401, "invalid_request_error", "invalid_api_key"),
        ("403", 403, "invalid_request_error", "unsupported_country_region_territory"),
        ("404", 404, "invalid_request_error", "model_not_found"),
        ("413", 413, "invalid_request_error", "request_too_large"),
        ("422", 422, "invalid_request_error", None),
        ("500", 500, "server_error", None),
        ("502", 502, "server_error", None),
        ("503", 503, "service_unavailable_error", "server_is_overloaded"),
        ("529", 529, "overloaded_error", None),
        ("429", 429, "requests", "rate_limit_exceeded"),
        ("quota", 429, "insufficient_quota", "insufficient_quota"),
        ("quota:credit_balance_exhausted", 429, "insufficient_quota", "credit_balance_exhausted"),
    ],
)
def test_a_marker_asks_for_an_error(simulator, fault, status, kind, code):
    answer = ask_for(simulator, fault)

    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["code"]) == (status, kind, code)
    assert set(error) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("fault", "value"),
    [
        ("429", "1"),
        ("429:absent", None),
        ("429:0", "0"),
        ("429:-1", "-1"),
        ("429:day", "86400"),
        ("503", "1"),
        ("503:7", "7"),
        ("quota", None),
    ],
)
def test_retry_after_takes_every_form(simulator, fault, value):
    assert ask_for(simulator, fault).headers.get("retry-after") == value


def test_retry_after_may_be_a_date(simulator):
    until = email.utils.parsedate_to_datetime(ask_for(simulator, "429:date").headers["retry-after"])

    assert -10 < until.timestamp() - time.time() <= 2


def test_a_counted_marker_gives_way_after_so_many_calls_of_the_same_body(simulator):
    statuses = [ask_for(simulator, "500x2]] [[sim:cutx1").status_code for _ in range(3)]
    other = ask(simulator, "Other [[sim:500x1]]").status_code

    assert (statuses, other) == ([500, 500, 200], 500)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("cut", requests.exceptions.ChunkedEncodingError),
        ("reset", requests.exceptions.ConnectionError),
        ("garbage", requests.exceptions.JSONDecodeError),
        ("html", requests.exceptions.JSONDecodeError),
    ],
)
def test_answers_get_spoilt_on_the_way(simulator, fault, error):
    with pytest.raises(error):
        ask_for(simulator, fault).json()


@pytest.mark.parametrize("fault", ["hang", "timeout"])
def test_answers_may_never_come(simulator, fault):
    with pytest.raises(requests.exceptions.ReadTimeout):
        ask_for(simulator, fault, timeout=0.3)


def test_silence_ends_after_a_while():
    with SimulatorProcess(SimulatorConfig(latency_ms=0, hang_seconds=0.2)) as simulator:
        assert raw_answer(simulator, "hang") == b""


def test_a_cut_answer_stops_half_way(simulator):
    head, _, body = raw_answer(simulator, "cut").partition(b"\r\n\r\n")

    promised = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    assert len(body) == promised // 2


def test_html_comes_with_status_200(simulator):
    answer = ask_for(simulator, "html")

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("chat/completions", {"messages": [{"role": "user", "content": "[[sim:empty]]"}]}, "choices"),
        ("completions", {"prompt": "[[sim:empty]]"}, "choices"),
        ("responses", {"input": "[[sim:empty]]"}, "output"),
        ("embeddings", {"input": "[[sim:empty]]"}, "data"),
    ],
)
def test_an_answer_may_be_empty_on_every_endpoint(simulator, path, body, name):
    assert ask(simulator, path=path, **body).json()[name] == []


def test_usage_may_be_missing_or_nan(simulator):
    missing, broken = ask_for(simulator, "nousage"), ask_for(simulator, "nan")

    assert "usage" not in missing.json()
    assert '"total_tokens":NaN' in broken.text


def test_an_answer_may_be_nested_ten_thousand_deep(simulator):
    assert ask_for(simulator, "deep").text.count("[") == 10_000


def test_a_huge_answer_is_valid_and_as_huge_as_said(simulator):
    answer = ask_for(simulator, "huge")

    assert answer.headers["transfer-encoding"] == "chunked"
    assert len(answer.json()["choices"][0]["message"]["content"]) == FAST["huge_bytes"]


def test_a_gzip_bomb_is_small_on_the_wire(simulator):
    wire = raw_answer(simulator, "gzip-bomb")
    unpacked = ask_for(simulator, "gzip-bomb").content

    assert len(wire) < 20_000
    assert len(unpacked) > FAST["huge_bytes"]
    assert json.loads(unpacked)


def test_an_endless_answer_ends_with_its_client_and_does_not_stop_the_others():
    with SimulatorProcess(SimulatorConfig(**FAST | {"huge_bytes": 0})) as endless:
        with requests.post(
            f"{endless.base_url}/completions",
            json={"model": "m", "prompt": "[[sim:huge]]"},
            stream=True,
            timeout=5,
        ) as answer:
            assert sum(len(part) for part in islice(answer.iter_content(100_000), 100)) > 1_000_000
            assert ask(endless).ok
        assert ask(endless).ok


def test_a_redirect_leads_nowhere(simulator):
    answer = ask_for(simulator, "redirect")

    assert answer.status_code == 302
    assert requests.get(urljoin(answer.url, answer.headers["location"]), timeout=5).status_code == 404


def test_bytes_may_drip(simulator):
    for fault in ("drip", "drip-headers"):
        started = time.monotonic()
        assert ask_for(simulator, fault).json()["choices"]
        assert time.monotonic() - started > 100 * FAST["drip_seconds"]


def test_a_filtered_answer_and_a_refusal_say_so(simulator):
    filtered, refused = (ask_for(simulator, fault).json()["choices"][0] for fault in ("filter", "refusal"))
    response = ask(simulator, path="responses", input="[[sim:filter]]").json()

    assert filtered["finish_reason"] == "content_filter"
    assert (refused["message"]["content"], refused["finish_reason"]) == (None, "stop")
    assert refused["message"]["refusal"]
    assert response["incomplete_details"] == {"reason": "content_filter"}


def test_slow_is_ten_times_the_latency():
    with SimulatorProcess(SimulatorConfig(latency_ms=20, latency_spread=0)) as slow:
        assert int(ask_for(slow, "slow").headers["openai-processing-ms"]) >= 200


def test_chance_is_fair_and_repeats_with_its_seed():
    config = SimulatorConfig(**FAST, faults=(("500", 0.2), ("429:absent", 0.1)), seed=7)
    with SimulatorProcess(config) as unfair:
        first = [ask(unfair, f"{n % 150}").status_code for n in range(300)]
        stats = unfair.stats()
    with SimulatorProcess(config) as unfair:
        again = [ask(unfair, f"{n % 150}").status_code for n in range(300)]

    counts = Counter(first)
    assert first == again
    assert first[:150] != first[150:]  # a repeated call throws the dice again
    assert 35 <= counts[500] <= 85
    assert 12 <= counts[429] <= 50
    assert stats["faults"] == {"500": counts[500], "429": counts[429]}
    assert stats["received"] == stats["answered"] + counts[500] + counts[429]


def test_refusals_by_marker_count_nothing_and_errors_count_a_request():
    with SimulatorProcess(SimulatorConfig(**FAST, rpm=3, tpm=1000)) as limited:
        statuses = [ask_for(limited, fault).status_code for fault in ("429", "quota", "400", "500")]
        left = ask(limited).headers["x-ratelimit-remaining-requests"]
        stats = limited.stats()

    assert (statuses, left) == ([429, 429, 400, 500], "0")
    assert stats["answered"] == 1
    assert stats["rate_limited"] == 0
    assert (
        stats["peak_60s"]["tokens"] > stats["billed"]["total_tokens"] > 0
    )  # the 500 was charged, not billed


def test_a_client_that_leaves_is_billed():
    with SimulatorProcess(SimulatorConfig(latency_ms=5000)) as slow:
        with pytest.raises(requests.exceptions.ReadTimeout):
            ask(slow, timeout=0.1)
        stats = eventually(lambda: slow.stats()["abandoned"] and slow.stats())

    assert (stats["abandoned"], stats["in_flight"], stats["answered"]) == (1, 0, 0)
    assert stats["billed"]["total_tokens"] > 0
