"""The status of a batch by a short way, for nothing is asked for so often.

The way through the routes costs several times as much, and most of that is not the database. Here polls that
come together share one statement. Whatever is not simply answered goes the long way, to
`api.batches.retrieve_batch`, which also says what is wrong.
"""

import re

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.poll_reads import PollReads
from api.problems import AWAY, away
from headrace.store.polling import Question

PATH = re.compile("/v1/batches/(batch_[0-9A-Za-z_-]{1,128})")
BEARER = b"Bearer "


class Polls:
    """Wraps the app."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._reads = PollReads()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = _asked(scope)
        if asked is None:
            await self._app(scope, receive, send)
            return
        try:
            answer = await self._reads.answer(scope["state"]["database"], asked)
        except AWAY as error:
            await away(error)(scope, receive, send)
            return
        if answer is None:
            await self._app(scope, receive, send)
        else:
            await Response(answer, media_type="application/json")(scope, receive, send)


def _asked(scope: Scope) -> Question | None:
    """The secret and the batch's id, if this is a plain poll."""
    if scope["type"] != "http" or scope["method"] != "GET" or scope["query_string"]:
        return None
    path = PATH.fullmatch(scope["path"])
    if path is None:
        return None
    credentials = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(credentials) != 1 or not credentials[0].startswith(BEARER):
        return None
    return credentials[0].removeprefix(BEARER).decode("latin-1"), path[1]
