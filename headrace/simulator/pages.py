"""What can be read from the provider besides generated answers."""

import orjson

from headrace.simulator.errors import ApiError
from headrace.simulator.reply import Reply

HEALTH = "/healthz"
STATS = "/v1/simulator/stats"
MODELS = "/v1/models"
# For those who watch the simulator, not for its clients: no key, and no line in the log.
UNLOGGED = frozenset({HEALTH, STATS})

MODEL_NAMES = ("simulator-small", "simulator-large")
MODELS_CREATED = 1_750_000_000


def page(method: str, path: str, stats: dict[str, object]) -> Reply:
    """The page at `path`. Raises ApiError: 404 if there is none."""
    if method == "GET":
        if path == HEALTH:
            return Reply(200, orjson.dumps({"status": "ok"}))
        if path == STATS:
            return Reply(200, orjson.dumps(stats))
        if path == MODELS:
            return Reply(
                200, orjson.dumps({"object": "list", "data": [_model(name) for name in MODEL_NAMES]})
            )
    raise ApiError(404, f"Invalid URL ({method} {path})", code="unknown_url")


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": MODELS_CREATED, "owned_by": "headrace"}
