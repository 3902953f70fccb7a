"""The floor: the same calls with nothing but `requests` and gevent around them.

A program of its own, `python -m gevent.monkey --module bench.bare`: it takes every PARTS-th body of the
input, makes the calls, reads each answer to its end, and prints what that took as one line of JSON.
"""

import time
from pathlib import Path

import orjson
import requests
import typer
from gevent.pool import Pool
from requests.adapters import HTTPAdapter

from bench.inputs import ENDPOINT, bodies

TIMEOUT_SECONDS = (10.0, 60.0)
HEADERS = {"Content-Type": "application/json"}


def run(base_url: str, source: Path, in_flight: int, part: int, parts: int) -> None:
    """`base_url` ends in /v1. The CPU time is that of the calls alone: the input is read before."""
    url = base_url + ENDPOINT.removeprefix("/v1")
    mine = bodies(source)[part::parts]
    session = requests.Session()
    session.trust_env = False  # no proxy on the loopback; and looking for one costs more than the call
    session.mount(base_url, HTTPAdapter(pool_connections=1, pool_maxsize=in_flight))

    def call(body: bytes) -> None:
        with session.post(url, data=body, headers=HEADERS, timeout=TIMEOUT_SECONDS) as answer:
            answer.raise_for_status()

    began, cpu_began = time.time(), time.process_time()
    for _ in Pool(in_flight).imap_unordered(call, mine):
        pass
    spent = {"began": began, "ended": time.time(), "cpu_seconds": time.process_time() - cpu_began}
    typer.echo(orjson.dumps({"calls": len(mine), **spent}))


if __name__ == "__main__":
    typer.run(run)
