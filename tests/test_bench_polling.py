"""The bench of polling: the poller, what is judged, and that it runs."""

import pytest
from rich.console import Console

from bench import polling
from bench.poller_process import PollerProcess
from bench.polling import Findings, Spans
from bench.provider_process import ProviderProcess


def test_the_poller_asks_at_its_rate_and_every_poll_is_answered():
    with (
        ProviderProcess(latency_ms=0) as provider,
        PollerProcess(provider.base_url.removesuffix("/v1"), "hr-key", "/v1/models", rate=100) as poller,
    ):
        first, second = poller.poll(0.5), poller.poll(0.2)

    assert (len(first.ms), len(second.ms)) == (50, 20)
    assert first.failed == second.failed == 0
    assert all(ms > 0 for ms in first.ms)


def test_polls_that_nobody_answers_have_failed():
    with PollerProcess("http://127.0.0.1:9", "hr-key", "/v1/models", rate=50) as poller:
        polled = poller.poll(0.2)

    assert (polled.ms, polled.failed) == ([], 10)


def test_what_polls_cost_is_the_median_of_the_pairs_and_each_promise_is_named():
    kept = Spans([100.0, 50.0, 100.0], [95.0, 47.0, 20.0], [4.0] * 99 + [40.0])
    broken = Spans([100.0], [80.0], [4.0] * 50 + [60.0] * 50, failed=1)

    report = polling.report(Findings(0.0, 200, {"sqlite": kept, "postgresql": broken}))

    assert kept.lost == pytest.approx(0.06)
    assert report.broken == [
        "postgresql: throughput lost",
        "postgresql: p99",
        "postgresql: polls that failed",
    ]


@pytest.mark.benches
@pytest.mark.slow
def test_it_runs():
    report = polling.measure(Console(quiet=True), jobs=1500, span_seconds=0.3)

    assert set(report.figures["kinds"]) == {"sqlite", "postgresql"}
    assert not any("failed" in broken for broken in report.broken)
