"""What output lines say: which request, whether it succeeded, and if not why (contract 3.2, 3.3)."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from headrace.client import Client
from headrace.exact_json import loads_rounded

REASON_CHARACTERS = 160
SKIPPED = re.compile(r" \(line ([0-9]+)\)$")  # so ends the reason of a line that could not run


@dataclass(slots=True)
class Outcomes:
    """A count of output lines. `reasons` counts those that failed, by reason; `skipped` were never called."""

    succeeded: int = 0
    skipped: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def failed(self) -> int:
        """Requests with no good answer, for whatever reason."""
        return self.reasons.total()

    def add(self, line: bytes) -> str | int:
        """Count one line; returns its custom_id, or of one that was skipped its number in what was sent."""
        document = loads_rounded(line)
        reason = _reason(document)
        if reason is None:
            self.succeeded += 1
            return str(document["custom_id"])
        skipped = None if document["response"] else SKIPPED.search(reason)
        self.skipped += bool(skipped)
        self.reasons[SKIPPED.sub("", reason)[:REASON_CHARACTERS]] += 1
        return int(skipped[1]) if skipped else str(document["custom_id"])


def result_pages(client: Client, batch_id: str, after: int = 0) -> Iterator[list[bytes]]:
    """All results that there are by now, page by page."""
    has_more = True
    while has_more:
        page = client.results(batch_id, after)
        yield page.lines
        after, has_more = page.cursor, page.has_more


def _reason(document: dict[str, Any]) -> str | None:
    response, error = document["response"], document["error"]
    if error or response is None:
        return _described(error or {})
    if 200 <= response["status_code"] < 300:
        return None
    body = response["body"]
    told = body.get("error") if isinstance(body, dict) else None
    return f"{response['status_code']} {_described(told if isinstance(told, dict) else {})}".strip()


def _described(error: dict[str, Any]) -> str:
    name = error.get("code") or error.get("type") or ""
    described = ": ".join(filter(None, (str(name), str(error.get("message") or ""))))
    return described.encode(errors="replace").decode()  # a terminal takes no half characters
