"""Requests that create, and may come twice: with an `Idempotency-Key`, or as a repeat of the SDK."""

import hashlib
from datetime import datetime, timedelta
from typing import Annotated, Any, NamedTuple

from fastapi import Depends, Header, Request, Response
from sqlmodel import Session

from api.deps import CallerDep
from api.openapi import header
from api.payloads import ExactJsonBody
from api.refusals import refuses
from headrace.clock import now
from headrace.errors import Conflict, InvalidRequest
from headrace.exact_json import dumps
from headrace.models import Creation
from headrace.store import creations
from headrace.store.creations import Asked

KEY = "idempotency-key"
RETRY_COUNT = "x-stainless-retry-count"
TIMEOUTS = ("x-stainless-read-timeout", "x-stainless-timeout")  # of the SDK for Python, and for Node
REPLAYED = {"idempotent-replayed": "true"}
MAX_KEY_CHARACTERS = 255
# `responses` of a route that asks for OnceDep.
MAY_REPLAY: dict[int | str, dict[str, Any]] = {
    200: {
        "headers": {
            name: header("It was made before", required=False, const=value)
            for name, value in REPLAYED.items()
        }
    }
}
DEFAULT_TIMEOUT_SECONDS = 600.0  # the SDK's own
PAUSE_SECONDS = 60.0  # before the SDK tries again
LONGEST_TIMEOUT_SECONDS = 86_400.0


class Once(NamedTuple):
    """One request that creates. Its methods belong into the transaction that does."""

    asked: Asked
    arrived_at: datetime
    retry_count: int | None
    timeout_seconds: float
    response: Response

    def replayed(self, session: Session) -> list[Any] | None:
        """The ids of what this request has made already; None: it is to be done now.

        Raises Conflict when its idempotency key came with another body.
        """
        if self.asked.idempotency_key is None and self.retry_count is None:
            return None
        creations.take_turns(session, self.asked)
        found = self._found(session)
        if found is None:
            return None
        if found.fingerprint != self.asked.fingerprint:
            raise Conflict(
                "This Idempotency-Key was used with another request body.", code="idempotency_key_reused"
            )
        self.response.headers.update(REPLAYED)
        return found.made

    def made(self, session: Session, ids: list[Any]) -> None:
        """Note what was made, if the request may come again."""
        if self.asked.idempotency_key is not None or self.retry_count is not None:
            awaits = bool(self.retry_count) and self.asked.idempotency_key is None
            creations.remember(session, self.asked, ids, awaits_first_try=awaits)

    def _found(self, session: Session) -> Creation | None:
        if self.asked.idempotency_key is not None:
            return creations.by_key(session, self.asked)
        if not self.retry_count:  # a first try: who sends the same twice wants it twice
            return creations.claim_overtaken(session, self.asked, self.arrived_at)
        patience = timedelta(seconds=self.retry_count * (self.timeout_seconds + PAUSE_SECONDS))
        return creations.newest_alike(session, self.asked, now() - min(patience, creations.KEPT))


IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=MAX_KEY_CHARACTERS,
        description="The same key with the same body makes nothing twice, for 24 hours",
    ),
]


@refuses(400, 409)
def _once(
    request: Request,
    response: Response,
    body: ExactJsonBody,
    key: CallerDep,
    idempotency_key: IdempotencyKey = None,
) -> Once:
    asked = Asked(
        api_key_id=key.id,
        path=request.url.path,
        idempotency_key=_printable(idempotency_key),
        fingerprint=hashlib.sha256(dumps(body, sort_keys=True).encode()).hexdigest(),
    )
    arrived_at: datetime = request.state.arrived_at
    return Once(asked, arrived_at, _retry_count(request), _timeout_seconds(request), response)


OnceDep = Annotated[Once, Depends(_once)]


def _printable(key: str | None) -> str | None:
    if key is not None and not key.isprintable():
        raise InvalidRequest("The Idempotency-Key must have printable characters only.", param=KEY)
    return key


def _retry_count(request: Request) -> int | None:
    """How often the SDK has sent this before; None for clients that do not say."""
    count = request.headers.get(RETRY_COUNT, "")
    return int(count) if count.isascii() and count.isdecimal() and len(count) < 4 else None


def _timeout_seconds(request: Request) -> float:
    told = [request.headers[name] for name in TIMEOUTS if name in request.headers]
    try:
        seconds = float(told[0]) if told else DEFAULT_TIMEOUT_SECONDS
    except ValueError:
        return DEFAULT_TIMEOUT_SECONDS
    return seconds if 0 < seconds <= LONGEST_TIMEOUT_SECONDS else DEFAULT_TIMEOUT_SECONDS
