"""Listening, and stopping."""

import asyncio
from collections.abc import Callable
from functools import partial

from headrace.simulator.config import SimulatorConfig
from headrace.simulator.connection import Connection
from headrace.simulator.provider import Provider

BACKLOG = 4096
STOP_SECONDS = 5.0


async def serve(
    config: SimulatorConfig,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    stop: asyncio.Event | None = None,
    announce: Callable[[str], None] | None = None,
) -> None:
    """Serve until `stop` is set or the task is cancelled. `announce` gets the base URL, which ends in /v1."""
    provider = Provider(config)
    peers: set[Connection] = set()
    connect = partial(Connection, provider.handle, peers, config.max_body_bytes)
    try:
        server = await asyncio.get_running_loop().create_server(connect, host, port, backlog=BACKLOG)
        try:
            if announce is not None:
                announce(base_url(host, server.sockets[0].getsockname()[1]))
            await (stop or asyncio.Event()).wait()
        finally:
            server.close()
            await _hang_up(peers)
    finally:
        provider.close()


def base_url(host: str, port: int) -> str:
    """What to give to a client."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"


async def _hang_up(peers: set[Connection]) -> None:
    for connection in peers:
        connection.abort()
    if peers:
        await asyncio.wait([connection.lost for connection in peers], timeout=STOP_SECONDS)
