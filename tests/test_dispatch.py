"""Hints: sent at once or not at all, whatever the broker does."""

import logging
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from headrace import dispatch
from tests.api_server import running_api
from tests.chaos import ChaosProxy
from tests.simulated import eventually

pytest_plugins = ["tests.hints", "tests.databases"]

LONGEST_HINT_SECONDS = dispatch.TURN_SECONDS + 2 * dispatch.PUBLISH_TIMEOUT_SECONDS
SLACK_SECONDS = 3.0  # the machine may be busy
LANES = [f"lane-{number}" for number in range(10)]


@pytest.fixture
def proxy(redis_client_url, monkeypatch):
    """The way to the broker, which may fall silent."""
    with ChaosProxy.before(redis_client_url) as way:
        app = dispatch.make_app(way.through(redis_client_url))
        monkeypatch.setattr(dispatch, "app", app)
        yield way
        app.close()


def seconds_to_wake_all():
    began = time.monotonic()
    for lane in LANES:
        dispatch.wake(lane)
    return time.monotonic() - began


@pytest.mark.parametrize("is_connected", [False, True])
def test_a_broker_that_never_answers_holds_up_one_hint_for_seconds_and_the_others_not(
    hints, proxy, is_connected
):
    if is_connected:
        dispatch.wake("before")
        assert hints.taken() == [(dispatch.DRAIN, "before")]
    proxy.blackhole()

    assert seconds_to_wake_all() < LONGEST_HINT_SECONDS + SLACK_SECONDS


def test_a_job_of_ten_models_is_taken_in_while_the_broker_never_answers(
    sqlite_store, redis_client_url, tmp_path
):
    with ChaosProxy.before(redis_client_url) as proxy:
        proxy.blackhole()
        with running_api(sqlite_store, proxy.through(redis_client_url), tmp_path) as api:
            jobs = [{"model": lane, "messages": [{"role": "user"}]} for lane in LANES]
            began = time.monotonic()

            response = api.call("POST", "/v1/jobs", json=jobs)

    assert (response.status_code, len(response.json()["data"])) == (200, len(LANES))
    assert time.monotonic() - began < LONGEST_HINT_SECONDS + SLACK_SECONDS


def test_many_at_once_wait_no_longer_than_one(proxy):
    proxy.blackhole()
    began = time.monotonic()

    with ThreadPoolExecutor(30) as pool:
        list(pool.map(dispatch.wake, LANES * 3))

    assert time.monotonic() - began < LONGEST_HINT_SECONDS + SLACK_SECONDS


def test_it_is_said_once_that_hints_fail_and_once_that_they_arrive_again(hints, proxy, caplog, monkeypatch):
    caplog.set_level(logging.INFO, "headrace.dispatch")
    monkeypatch.setattr(dispatch, "SILENT_SECONDS", 0.1)
    proxy.refuse()
    eventually(lambda: seconds_to_wake_all() < 1 and caplog.messages, 30)
    time.sleep(0.2)  # past the silence: tried, and failed, once more
    seconds_to_wake_all()
    assert len(caplog.messages) == 1

    proxy.heal()

    def arrives():
        dispatch.wake("after")
        return hints.taken()

    eventually(arrives, 30)
    dispatch.wake("after")
    assert len(caplog.messages) == 2
    assert hints.taken() == [(dispatch.DRAIN, "after")]


def test_a_connection_that_went_stale_loses_no_hint(hints, proxy):
    dispatch.wake("before")
    proxy.reset()
    proxy.heal()

    dispatch.wake("after")

    assert hints.taken() == [(dispatch.DRAIN, "before"), (dispatch.DRAIN, "after")]
