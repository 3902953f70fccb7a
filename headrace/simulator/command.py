"""The command that runs a simulator."""

import asyncio
import gc
import os
import resource
import signal
import sys
from dataclasses import fields
from typing import Any

import typer

from headrace.simulator import options
from headrace.simulator.config import SimulatorConfig
from headrace.simulator.process import ANNOUNCEMENT
from headrace.simulator.server import serve

MAX_OPEN_FILES = 65_536

_DEFAULT = SimulatorConfig()


def simulate(  # noqa: PLR0913 - a parameter is an option of the command
    host: options.Host = "127.0.0.1",
    port: options.Port = 8001,
    exit_with_parent: options.ExitWithParent = False,
    key: options.Key = _DEFAULT.key,
    model: options.Models = None,
    max_body_bytes: options.MaxBodyBytes = _DEFAULT.max_body_bytes,
    rpm: options.Rpm = _DEFAULT.rpm,
    tpm: options.Tpm = _DEFAULT.tpm,
    max_in_flight: options.MaxInFlight = _DEFAULT.max_in_flight,
    window: options.Window = _DEFAULT.window,
    burst_seconds: options.BurstSeconds = _DEFAULT.burst_seconds,
    charge: options.Charge = _DEFAULT.charge,
    count_refused: options.CountRefused = _DEFAULT.count_refused,
    latency_ms: options.LatencyMs = _DEFAULT.latency_ms,
    latency_spread: options.LatencySpread = _DEFAULT.latency_spread,
    completion_tokens: options.CompletionTokens = _DEFAULT.completion_tokens,
    count: options.Count = _DEFAULT.count,
    cache_writes: options.CacheWrites = _DEFAULT.cache_writes,
    audio: options.Audio = _DEFAULT.audio,
    price: options.Prices = None,
    fault: options.FaultShares = None,
    models_fault: options.ModelsFault = _DEFAULT.models_fault,
    seed: options.Seed = _DEFAULT.seed,
    hang_seconds: options.HangSeconds = _DEFAULT.hang_seconds,
    drip_seconds: options.DripSeconds = _DEFAULT.drip_seconds,
    huge_bytes: options.HugeBytes = _DEFAULT.huge_bytes,
    log: options.Log = _DEFAULT.log,
    fsync: options.Fsync = _DEFAULT.fsync,
) -> None:
    """Run an OpenAI-compatible provider that enforces RPM and TPM and misbehaves on request."""
    # The parameters carry the names of the configuration's fields.
    config = _configuration(locals())
    _allow_many_connections()
    _calm_collector()
    try:
        asyncio.run(_serve_until_told(config, host, port, exit_with_parent))
    except OSError as error:
        raise typer.BadParameter(f"cannot serve on {host}:{port}: {error}") from error


def _configuration(given: dict[str, Any]) -> SimulatorConfig:
    try:
        given["models"] = tuple(given.pop("model") or _DEFAULT.models)
        given["prices"] = tuple(_price(text) for text in given.pop("price") or ())
        given["faults"] = tuple(_share(text) for text in given.pop("fault") or ())
        return SimulatorConfig(**{field.name: given[field.name] for field in fields(SimulatorConfig)})
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _share(text: str) -> tuple[str, float]:
    kind, equals, share = text.partition("=")
    try:
        return kind, float(share if equals else "1")
    except ValueError as error:
        raise ValueError(f"a fault is given as KIND=SHARE, not {text!r}") from error


def _price(text: str) -> tuple[str, str]:
    model, equals, price = text.partition("=")
    if not model or not equals:
        raise ValueError(f"a price is given as MODEL=INPUT,CACHED,OUTPUT, not {text!r}")
    return model, price


def _allow_many_connections() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(MAX_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _calm_collector() -> None:
    # Requests leave no cycles behind; looking for them at the usual pace costs a twentieth of the CPU.
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


async def _serve_until_told(config: SimulatorConfig, host: str, port: int, exit_with_parent: bool) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if exit_with_parent:
        loop.add_reader(sys.stdin.fileno(), _watch_stdin, stop)
    await serve(config, host, port, stop=stop, announce=_announce)


def _watch_stdin(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stop.set()


def _announce(base_url: str) -> None:
    typer.echo(f"{ANNOUNCEMENT}{base_url}")
    sys.stdout.flush()
