"""A number for every request: clients see it as `x-request-id`, and our log names it when we fail.

And the time at which its head came, as `request.state.arrived_at`: its body may take minutes more.
"""

import logging

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headrace.clock import now
from headrace.ids import new_id

log = logging.getLogger(__name__)


class RequestIds:
    """Wraps the whole app, so that no response is without its id and no failure without a trace."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = new_id("req_")
        scope.setdefault("state", {})["arrived_at"] = now()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:  # the client has its envelope, or a connection that the server will now close
            log.exception("%s: %s %s failed", request_id, scope["method"], scope["path"])
