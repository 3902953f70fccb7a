"""A number for every request: clients see it as `x-request-id`, and our log names it when we fail.

And the time at which its head came, as `request.state.arrived_at`: its body may take minutes more.
"""

import asyncio
import logging
import time

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import failure, unavailable
from headrace.clock import now
from headrace.ids import new_id

log = logging.getLogger(__name__)

REQUEST_ID = "x-request-id"


def new_request_id() -> str:
    """Ours: what a client sends under this name is not looked at."""
    return new_id("req_")


class RequestIds:
    """Wraps the whole app, so that no response is without its id and no failure without a trace.

    `openai-processing-ms` is the time from the head of the request to the head of the response.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, began, started = new_request_id(), time.monotonic(), False
        scope.setdefault("state", {})["arrived_at"] = now()

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = request_id
                headers["openai-processing-ms"] = str(round((time.monotonic() - began) * 1000))
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except asyncio.CancelledError:  # the process ends, and its grace is over
            if not started:
                await unavailable()(scope, receive, send_with_id)
            raise
        except Exception:  # the client has its envelope, or a connection that the server will now close
            log.exception("%s: %s %s failed", request_id, scope["method"], scope["path"])
            if not started:
                await failure()(scope, receive, send_with_id)
