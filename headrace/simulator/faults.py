"""Which faults there are, and which one a request meets: by a marker in its text, or by chance."""

import re
import time
from collections import OrderedDict
from email.utils import formatdate
from hashlib import blake2b
from typing import NamedTuple

from headrace.simulator.errors import ApiError, Headers, retry_after

# An HTTP error instead of an answer: status, type, code, message.
ERRORS = {
    "400": (
        400,
        "invalid_request_error",
        "invalid_value",
        "Invalid value, as asked for.",
    ),
    "401": (
        401,
        "invalid_request_error",
        "invalid_api_key",
        "Incorrect API key provided.",
    ),
    "403": (
        403,
        "invalid_request_error",
        "unsupported_country_region_territory",
        "Not from here.",
    ),
    "404": (
        404,
        "invalid_request_error",
        "model_not_found",
        "The model does not exist.",
    ),
    "413": (
        413,
        "invalid_request_error",
        "request_too_large",
        "Request entity too large.",
    ),
    "422": (422, "invalid_request_error", None, "Unprocessable request."),
    "429": (
        429,
        "requests",
        "rate_limit_exceeded",
        "Rate limit reached, as asked for.",
    ),
    "500": (
        500,
        "server_error",
        None,
        "The server had an error while processing your request.",
    ),
    "502": (502, "server_error", None, "Bad gateway."),
    "503": (
        503,
        "service_unavailable_error",
        "server_is_overloaded",
        "The engine is overloaded.",
    ),
    "529": (529, "overloaded_error", None, "Overloaded."),
    "quota": (
        429,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota.",
    ),
}
# A whole answer, late or of an unwelcome kind.
SOUND = frozenset({"slow", "filter", "refusal"})
# An error after the work: it states the usage that is billed. By its status.
PAID = {"paid-200": 200, "paid-400": 400, "paid-500": 500}
# The work is done and billed, and its answer is spoilt on the way.
SPOILT = frozenset(
    {
        "hang",
        "timeout",
        "drip",
        "drip-headers",
        "cut",
        "html",
        "garbage",
        "empty",
        "nousage",
        "nan",
    }
    | {"deep", "huge", "gzip-bomb"}
    | PAID.keys()
)
# Neither work nor an error.
UNBILLED = frozenset({"reset", "redirect"})
# Said at once, before any work, and not counted by the limits.
REFUSALS = frozenset({"429", "quota"})

KINDS = (*ERRORS, *sorted(SOUND | SPOILT | UNBILLED))
# What the list of models can meet: the others are faults of a completion.
LIST_FAULTS = tuple(kind for kind in KINDS if kind not in SOUND | {"nan", "nousage"} | PAID.keys())

DAY_SECONDS = 86_400
REMEMBERED_BODIES = 200_000
GOLDEN_RATIO = 0.6180339887498949

_MARKER = re.compile(r"\[\[sim:([a-z0-9:_-]+?)(?:x(\d+))?\]\]")


class Fault(NamedTuple):
    """`detail` is the form of `retry-after` for 429 and 503, and the code for `quota`; else empty."""

    kind: str
    detail: str = ""


def parse_fault(text: str) -> Fault:
    """`500`, `hang`, `429:date`. Raises ValueError for a fault that does not exist."""
    kind, _, detail = text.partition(":")
    if kind not in KINDS:
        raise ValueError(f"there is no fault called {kind!r}")
    if kind in ("429", "503") and not re.fullmatch(r"|absent|date|day|-?\d+", detail):
        raise ValueError(f"retry-after must be absent, date, day or a number, not {detail!r}")
    if detail and kind not in ("429", "503", "quota"):
        raise ValueError(f"the fault {kind!r} takes no detail")
    return Fault(kind, detail)


class FaultPicker:
    """Deterministic: the same requests in the same order with the same seed meet the same faults."""

    def __init__(self, shares: tuple[tuple[str, float], ...], seed: int) -> None:
        self._shares = [(parse_fault(text), share) for text, share in shares]
        self._seed = seed
        self._calls: OrderedDict[bytes, int] = OrderedDict()

    def pick(self, text: str, digest: bytes) -> tuple[Fault | None, float]:
        """The fault of this call of the body hashed to `digest`, and a number in [0, 1) to vary its time."""
        call = self._count(digest)
        fault = _marked(text, call) if "[[sim:" in text else None
        if fault is None and self._shares:
            fault = self._drawn(digest, call)
        # Steps of the golden ratio visit [0, 1) evenly, whatever the number of calls.
        return fault, (int.from_bytes(digest[24:28], "big") / 2**32 + (call + self._seed) * GOLDEN_RATIO) % 1

    def _count(self, digest: bytes) -> int:
        calls = self._calls
        calls[digest] = count = calls.get(digest, 0) + 1
        if len(calls) > REMEMBERED_BODIES:
            calls.popitem(last=False)
        return count

    def _drawn(self, digest: bytes, call: int) -> Fault | None:
        draw = blake2b(b"%d %d" % (self._seed, call), key=digest, digest_size=4).digest()
        turn = int.from_bytes(draw, "big") / 2**32
        for fault, share in self._shares:
            turn -= share
            if turn < 0:
                return fault
        return None


def costs_tokens(fault: Fault | None) -> bool:
    """Whether the call counts against TPM: errors before any work (4xx and the like) do not, 5xx do."""
    return fault is None or not (fault.kind in UNBILLED or fault.kind.startswith("4"))


def fault_error(fault: Fault) -> ApiError | None:
    """The error that this fault answers with; None if it is of another sort."""
    if fault.kind not in ERRORS:
        return None
    status, kind, code, message = ERRORS[fault.kind]
    if fault.kind == "quota":
        return ApiError(status, message, kind=kind, code=fault.detail or code)
    headers = _retry_after(fault.detail) if fault.kind in ("429", "503") else ()
    return ApiError(status, message, kind=kind, code=code, headers=headers)


def _marked(text: str, call: int) -> Fault | None:
    for name, times in _MARKER.findall(text):
        if not times or call <= int(times):
            try:
                return parse_fault(name)
            except ValueError as error:
                raise ApiError(400, f"Marker in the prompt: {error}.", code="unknown_fault") from error
    return None


def _retry_after(detail: str) -> Headers:
    if detail == "absent":
        return ()
    if detail == "date":
        return retry_after(formatdate(time.time() + 2, usegmt=True))
    return retry_after(DAY_SECONDS if detail == "day" else detail or "1")
