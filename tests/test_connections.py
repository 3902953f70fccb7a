"""Connections to a provider are kept while they are used, and not for ever."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from headrace.simulator import SimulatorConfig, SimulatorProcess
from worker.connections import Adapter

AT_ONCE = 5
CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
def asking():
    """A session with our adapter, and a provider that takes long enough for calls to meet."""
    with SimulatorProcess(SimulatorConfig(latency_ms=300.0)) as simulator, requests.Session() as session:
        session.mount("http://", Adapter())
        yield session, f"{simulator.base_url}/chat/completions"


def ask(asking):
    session, url = asking
    assert session.post(url, json=CHAT, timeout=20).status_code == 200


def kept(asking):
    session, url = asking
    pools = session.get_adapter(url).poolmanager.pools
    (key,) = pools.keys()
    return [conn for conn in pools[key].pool.queue if conn is not None]


def ask_at_once(asking):
    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(ask, [asking] * AT_ONCE))


def test_what_was_used_just_now_is_kept(asking, monkeypatch):
    monkeypatch.setattr("worker.connections.TIDY_SECONDS", 0.0)

    ask_at_once(asking)
    ask(asking)

    assert len(kept(asking)) == AT_ONCE


def test_what_nobody_uses_any_more_is_closed(asking, monkeypatch):
    ask_at_once(asking)
    idle = kept(asking)
    monkeypatch.setattr("worker.connections.IDLE_SECONDS", 0.2)
    monkeypatch.setattr("worker.connections.TIDY_SECONDS", 0.0)
    time.sleep(0.3)

    ask(asking)

    assert len(kept(asking)) == 1
    assert sum(conn.sock is None for conn in idle) == AT_ONCE - 1
