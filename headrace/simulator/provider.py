"""The provider's front: numbers each request, checks its key, reads it, and shows it to whom it concerns."""

import hmac
import time
from hashlib import sha256
from secrets import token_hex

from headrace.simulator.call import parse_body
from headrace.simulator.config import SimulatorConfig
from headrace.simulator.connection import Connection
from headrace.simulator.counting import counter_for
from headrace.simulator.delivery import Delivery
from headrace.simulator.endpoints import ENDPOINTS, Endpoint
from headrace.simulator.engine import Engine
from headrace.simulator.errors import ApiError
from headrace.simulator.faults import Fault, fault_error
from headrace.simulator.generation import plan
from headrace.simulator.ledger import Ledger
from headrace.simulator.limiter import Limiter
from headrace.simulator.pages import MODELS, UNLOGGED, model_list, page
from headrace.simulator.prices import PriceList
from headrace.simulator.reply import error_reply
from headrace.simulator.request import Request
from headrace.simulator.spoil import spoil
from headrace.simulator.visit import Visit, Work


class Provider:
    """An account at a provider. `handle` is what connections call."""

    def __init__(self, config: SimulatorConfig) -> None:
        self._config = config
        self._counter = counter_for(config.count)
        self._prices = PriceList(config.prices)
        self._limiter = Limiter(config)
        self._ledger = Ledger(config)
        self._delivery = Delivery(config, self._limiter)
        self._engine = Engine(config, self._limiter, self._ledger, self._delivery)
        self._run = token_hex(4)
        self._seq = 0

    def close(self) -> None:
        """Write the rest of the log."""
        self._ledger.close()

    def handle(self, request: Request, connection: Connection) -> None:
        """Answer the request, now or later."""
        self._seq = seq = self._seq + 1
        digest = sha256(request.body).digest()
        visit = Visit(seq, f"req_{self._run}{seq:012x}", request, connection, time.monotonic(), digest)
        endpoint = ENDPOINTS.get(request.path) if request.method == "POST" else None
        if (request.method, request.path) == ("GET", MODELS):
            self._list_models(visit)
        elif endpoint is None:
            self._serve_page(visit)
        else:
            self._receive(visit, endpoint)

    def _list_models(self, visit: Visit) -> None:
        """No call, and so not in the log."""
        self._ledger.stats.model_lists += 1
        kind = self._config.models_fault or ""
        try:
            self._authorise(visit.request)
            error = fault_error(Fault(kind))
            reply = error_reply(error) if error else spoil(kind, model_list(self._config.models))
        except ApiError as refusal:
            reply, kind = error_reply(refusal), ""
        self._delivery.send(visit, reply, kind)

    def _serve_page(self, visit: Visit) -> None:
        request = visit.request
        logged = request.path not in UNLOGGED
        try:
            if logged:
                self._authorise(request)
            reply = page(request.method, request.path, self._ledger, self._limiter.in_flight)
        except ApiError as error:
            reply = error_reply(error)
        if logged:
            self._ledger.received(visit)
            self._ledger.served(visit, reply.status)
        self._delivery.send(visit, reply)

    def _receive(self, visit: Visit, endpoint: Endpoint) -> None:
        self._ledger.stats.received += 1
        try:
            self._authorise(visit.request)
            call = endpoint.read(parse_body(visit.request.body), self._counter)
            choices, usage = plan(call, visit.digest, self._config)
        except ApiError as error:
            self._ledger.received(visit)
            self._reject(visit, error)
            return
        cost = self._prices.cost(call.model, call.tier, usage)
        visit.work = work = Work(endpoint, call, choices, usage, cost)
        self._ledger.received(visit)
        try:
            self._engine.run(visit, work)
        except ApiError as error:
            self._reject(visit, error)

    def _reject(self, visit: Visit, error: ApiError) -> None:
        self._ledger.rejected(visit, error.status)
        self._delivery.send(visit, error_reply(error))

    def _authorise(self, request: Request) -> None:
        key = self._config.key
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if key is not None and not hmac.compare_digest(given.encode(), key.encode()):
            raise ApiError(401, "Incorrect API key provided.", code="invalid_api_key")
