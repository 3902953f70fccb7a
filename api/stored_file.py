"""A stored file as a response: its bytes, a range of them, or the envelope."""

from collections.abc import Mapping

from fastapi.responses import FileResponse
from starlette.types import Message, Receive, Scope, Send

from api.problems import envelope

SAID = {
    400: "The header Range is malformed: send 'bytes=FIRST-LAST'.",
    416: "The header Range asks for bytes that the file does not have.",
}


class StoredFile(FileResponse):
    """Starlette's, but for its refusals of a range, which would be plain text."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; with its own answer instead where it refuses."""

        async def send_unless_refused(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in SAID:
                raise _RangeRefused(message)
            await send(message)

        try:
            await super().__call__(scope, receive, send_unless_refused)
        except _RangeRefused as refused:
            answer = envelope(refused.status, SAID[refused.status], headers=refused.headers)
            await answer(scope, receive, send)


class _RangeRefused(Exception):
    def __init__(self, message: Message) -> None:
        self.status: int = message["status"]
        told = {name.decode(): value.decode() for name, value in message["headers"]}
        self.headers: Mapping[str, str] = {
            name: value for name, value in told.items() if name.lower() == "content-range"
        }
