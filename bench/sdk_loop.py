"""What people write today: an asyncio loop around the official `openai` SDK, as it comes.

A program of its own, `python -m bench.sdk_loop`: it makes the calls of the input, and prints what that took
as one line of JSON, like `bench.bare`.
"""

import asyncio
import time
from pathlib import Path
from typing import Any

import orjson
import typer
from openai import AsyncOpenAI

from bench.inputs import bodies

TIMEOUT_SECONDS = 60.0


def run(base_url: str, source: Path, in_flight: int) -> None:
    """`base_url` ends in /v1. The CPU time is that of the calls alone: the input is read before."""
    asked = [orjson.loads(body) for body in bodies(source)]
    began, cpu_began = time.time(), time.process_time()
    asyncio.run(_ask_all(base_url, asked, in_flight))
    spent = {"began": began, "ended": time.time(), "cpu_seconds": time.process_time() - cpu_began}
    typer.echo(orjson.dumps({"calls": len(asked), **spent}))


async def _ask_all(base_url: str, asked: list[dict[str, Any]], in_flight: int) -> None:
    free = asyncio.Semaphore(in_flight)
    async with AsyncOpenAI(base_url=base_url, api_key="none", timeout=TIMEOUT_SECONDS) as sdk:

        async def ask(body: dict[str, Any]) -> None:
            async with free:
                answer = await sdk.chat.completions.create(**body)
                assert answer.usage

        await asyncio.gather(*map(ask, asked))


if __name__ == "__main__":
    typer.run(run)
