"""The two clients of the SDK, called in one way: a test says `sdk.run(client.files.list())` for both."""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from typing import Any

from openai import AsyncOpenAI, OpenAI

TIMEOUT_SECONDS = 30.0


class Sync:
    """`OpenAI`: a call is made when it is written down."""

    def __init__(self, url: str, key: str) -> None:
        """Of a headrace, without /v1, and one of its API keys."""
        self._defaults: dict[str, Any] = {
            "base_url": f"{url}/v1",
            "api_key": key,
            "timeout": TIMEOUT_SECONDS,
            "_strict_response_validation": True,
        }
        self._clients: list[Any] = []

    def client(self, **options: Any) -> Any:
        """A new client, strict about answers; closed when the test is over."""
        client = self._made(**(self._defaults | options))
        self._clients.append(client)
        return client

    def run(self, call: Any) -> Any:
        """What a call returns. Raises what the call raises, which may be before this is reached."""
        return call

    def all(self, items: Iterable[Any]) -> list[Any]:
        """Everything that a page, a list of pages or a stream has."""
        return list(items)

    @contextmanager
    def opened(self, streamed: AbstractContextManager[Any]) -> Iterator[Any]:
        """The response behind `with_streaming_response`, until the end of the block."""
        with streamed as response:
            yield response

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients:
            self.run(client.close())

    def _made(self, **options: Any) -> Any:
        return OpenAI(**options)


class Async(Sync):
    """`AsyncOpenAI`: a call is made when it is awaited, in a loop of this test alone."""

    def __init__(self, url: str, key: str) -> None:
        super().__init__(url, key)
        self._runner = asyncio.Runner()

    def run(self, call: Awaitable[Any]) -> Any:
        return self._runner.get_loop().run_until_complete(call)

    def all(self, items: Any) -> list[Any]:
        return list(items) if isinstance(items, Iterable) else self.run(_collected(items))

    @contextmanager
    def opened(self, streamed: AbstractAsyncContextManager[Any]) -> Iterator[Any]:  # type: ignore[override]
        response = self.run(streamed.__aenter__())
        try:
            yield response
        finally:
            self.run(streamed.__aexit__(None, None, None))

    def close(self) -> None:
        super().close()
        self._runner.close()

    def _made(self, **options: Any) -> Any:
        return AsyncOpenAI(**options)


async def _collected(items: AsyncIterable[Any]) -> list[Any]:
    return [item async for item in items]
