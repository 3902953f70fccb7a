"""HEAD wherever GET is: the same answer, which ends with its head."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Heads:
    """Wraps the app, whose routes know GET only. Answers that stream see that nobody reads on, and stop."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b""})

        await self._app({**scope, "method": "GET"}, receive, send_head)
