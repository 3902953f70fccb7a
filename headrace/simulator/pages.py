"""What can be read from the provider besides generated answers."""

from collections.abc import Iterable

import orjson

from headrace.simulator.call import Body
from headrace.simulator.errors import ApiError
from headrace.simulator.ledger import Ledger
from headrace.simulator.reply import Reply

HEALTH = "/healthz"
STATS = "/v1/simulator/stats"
BILL = "/v1/simulator/bill"
MODELS = "/v1/models"
# For those who watch the simulator, not for its clients: no key, and no line in the log.
UNLOGGED = frozenset({HEALTH, STATS, BILL})

MODELS_CREATED = 1_750_000_000


def page(method: str, path: str, ledger: Ledger, in_flight: int) -> Reply:
    """The page at `path`. Raises ApiError: 404 if there is none."""
    if method == "GET":
        if path == HEALTH:
            return Reply(200, orjson.dumps({"status": "ok"}))
        if path == STATS:
            return Reply(200, orjson.dumps(ledger.stats.as_dict(in_flight)))
        if path == BILL:
            return Reply(200, ledger.bill.as_csv(), content_type="text/csv; charset=utf-8")
    raise ApiError(404, f"Invalid URL ({method} {path})", code="unknown_url")


def model_list(names: Iterable[str]) -> Body:
    """The models, as OpenAI lists them (contract 4.7)."""
    return {"object": "list", "data": [_model(name) for name in names]}


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": MODELS_CREATED, "owned_by": "headrace"}
