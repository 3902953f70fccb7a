"""Talking to a simulated provider."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import requests

from headrace.simulator import SimulatorProcess

T = TypeVar("T")

# No latency, and faults that do not take long.
FAST: dict[str, Any] = {
    "latency_ms": 0.0,
    "hang_seconds": 30.0,
    "drip_seconds": 0.001,
    "huge_bytes": 3_000_000,
}


def ask(
    simulator: SimulatorProcess,
    text: str = "Hello",
    *,
    path: str = "chat/completions",
    headers: dict[str, str] | None = None,
    timeout: float = 10,
    **body: Any,
) -> requests.Response:
    """Post one chat question, or whatever `path` and `body` say."""
    if path == "chat/completions":
        body = {"messages": [{"role": "user", "content": text}]} | body
    return requests.post(
        f"{simulator.base_url}/{path}",
        json={"model": "m", **body},
        headers=headers,
        timeout=timeout,
        allow_redirects=False,
    )


def port_of(simulator: SimulatorProcess) -> int:
    """The port it listens on."""
    return int(simulator.base_url.split(":")[2].partition("/")[0])


def eventually(condition: Callable[[], T], seconds: float = 10.0) -> T:
    """What `condition` returns once it is true. It is asked often at first, and 20 times a second later."""
    began = time.monotonic()
    while not (value := condition()):
        waited = time.monotonic() - began
        assert waited < seconds, "it did not happen in time"
        time.sleep(min(0.05, 0.01 + waited / 20))
    return value
