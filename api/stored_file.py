"""A stored file as a response: its bytes, a range of them, or the envelope."""

from collections.abc import Mapping
from typing import Any

from fastapi.responses import FileResponse
from starlette.types import Message, Receive, Scope, Send

from api.openapi import header
from api.problems import envelope

SAID = {
    400: "The header Range is malformed: send 'bytes=FIRST-LAST'.",
    416: "The header Range asks for bytes that the file does not have.",
}

HEADERS = {
    "accept-ranges": header("Ranges may be asked for", const="bytes"),
    "content-disposition": header("The name of the file"),
    "etag": header("Changes with the bytes"),
    "last-modified": header("When the file came"),
}
KINDS: dict[str, dict[str, Any]] = {"application/jsonl": {}, "application/octet-stream": {}}
# `responses` and `openapi_extra` of a route that answers with a file.
FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The bytes; a file named *.jsonl is JSON lines",
        "headers": HEADERS,
        "content": KINDS,
    },
    206: {
        "description": "The bytes that were asked for",
        "headers": {
            **HEADERS,
            "content-range": header("Which they are, if they are one range", required=False),
        },
        "content": {**KINDS, "multipart/byteranges": {}},
    },
}
RANGES = {
    "parameters": [
        {
            "name": "range",
            "in": "header",
            "required": False,
            "description": "Which bytes, from 0; without it all",
            "schema": {"type": "string", "pattern": "^bytes=[0-9]{1,15}-$"},
        }
    ]
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
