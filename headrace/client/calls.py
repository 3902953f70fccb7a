"""The calls that the command line makes."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import requests

from headrace.client.form import FileForm
from headrace.client.options import USUAL, BatchOptions
from headrace.client.reports import ReportRow
from headrace.client.transport import Query, Refused, Transport, Unreachable
from headrace.client.views import BatchView, BudgetView, HeldView, ResultsPage
from headrace.ids import new_id

UPLOAD_TIMEOUT_SECONDS = (5.0, 600.0)
RESULTS_PAGE = 500
IDEMPOTENCY_KEY = "Idempotency-Key"

T = TypeVar("T")
Shown = TypeVar("Shown", BatchView, HeldView, ReportRow)


class Client:
    """Calls one headrace with one key. Every method raises Refused or Unreachable.

    Reading is repeated when that may help, and so is what makes a batch, under one key; the rest is sent
    once.
    """

    def __init__(self, base_url: str, api_key: str) -> None:
        """`base_url` with or without /v1."""
        self._transport = Transport(base_url, api_key)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def not_ready(self) -> str | None:
        """Why work cannot be done now; None when it can."""
        try:
            self._transport.once("GET", "/readyz")
        except (Refused, Unreachable) as error:
            return str(error)
        return None

    def upload(self, path: Path, name: str) -> str:
        """Send a `.jsonl` file under a name, piece by piece; returns its id."""
        with path.open("rb") as file:
            form = FileForm(file, name)
            answer = self._transport.once(
                "POST", "/v1/files", data=form, headers=form.headers, timeout=UPLOAD_TIMEOUT_SECONDS
            )
        return _understood(answer, _id)

    def create_batch(
        self, file_id: str, endpoint: str, metadata: Mapping[str, str], options: BatchOptions = USUAL
    ) -> BatchView:
        """Have the requests of an uploaded file run: once, however often an answer is lost."""
        wanted = {
            "input_file_id": file_id,
            "endpoint": endpoint,
            "metadata": dict(metadata),
            **options.as_fields(),
        }
        key = {IDEMPOTENCY_KEY: new_id("once_")}
        return _understood(self._transport.patiently("POST", "/v1/batches", json=wanted, headers=key), _batch)

    def batch(self, batch_id: str) -> BatchView:
        """The batch as it stands."""
        return _understood(self._transport.get(_path_of(batch_id)), _batch)

    def batches(self, page: int = 100) -> Iterator[BatchView]:
        """All batches, newest first, fetched `page` by page."""
        return self._all("/v1/batches", {"limit": page}, BatchView.of)

    def held(self, batch_id: str | None = None, page: int = 1000) -> Iterator[HeldView]:
        """All jobs that are held, or those of a batch, oldest first, fetched `page` by page."""
        chosen = {"batch": batch_id} if batch_id else {}
        return self._all("/v1/jobs", {"state": "held", "limit": page, **chosen}, HeldView.of)

    def release(self, job_id: str, to: str) -> None:
        """Let a held job go: `to` is `queue` or `fail`."""
        self._transport.once("POST", f"/v1/jobs/{quote(job_id, safe='')}/release", json={"to": to})

    def release_batch(self, batch_id: str, to: str) -> int:
        """The same for all held jobs of a batch; returns how many there were."""
        answer = self._transport.once("POST", f"{_path_of(batch_id)}/release", json={"to": to})
        return _understood(answer, _released)

    def cancel(self, batch_id: str) -> BatchView:
        """Ask a batch to end."""
        return _understood(self._transport.once("POST", f"{_path_of(batch_id)}/cancel"), _batch)

    def budget(self, batch_id: str) -> BudgetView:
        """How a batch stands to its budget."""
        return _understood(self._transport.get(f"{_path_of(batch_id)}/budget"), BudgetView.of)

    def set_budget(self, batch_id: str, usd: str | None) -> BatchView:
        """Give a batch another budget, or none; it may come twice."""
        path = f"{_path_of(batch_id)}/budget"
        return _understood(self._transport.patiently("POST", path, json={"usd": usd}), _batch)

    def report(self, name: str, query: Query) -> Iterator[ReportRow]:
        """All rows of `usage` or `costs`, fetched a thousand at a time."""
        return self._all(f"/v1/{name}", {"limit": 1000, **query}, ReportRow.of)

    def results(self, batch_id: str, after: int) -> ResultsPage:
        """The results behind the cursor `after` (0: from the start), at most a page of them."""
        query: dict[str, str | int] = {"after": after, "limit": RESULTS_PAGE}
        answer = self._transport.get(f"{_path_of(batch_id)}/results", query)
        return _understood(answer, ResultsPage.of)

    def _all(self, path: str, query: Query, show: Callable[[Mapping[str, Any]], Shown]) -> Iterator[Shown]:
        """Everything in a list, page by page."""

        def page(answer: requests.Response) -> tuple[list[Shown], bool]:
            listed = answer.json()
            shown = [show(one) for one in listed["data"]]
            return shown, bool(shown and listed["has_more"])

        after: dict[str, str] = {}
        has_more = True
        while has_more:
            shown, has_more = _understood(self._transport.get(path, {**query, **after}), page)
            yield from shown
            after = {"after": shown[-1].id} if shown else {}


def _path_of(batch_id: str) -> str:
    return f"/v1/batches/{quote(batch_id, safe='')}"


def _understood(answer: requests.Response, read: Callable[[requests.Response], T]) -> T:
    """What `read` finds in the answer: somebody else's server may answer 200 too."""
    try:
        return read(answer)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Unreachable(f"{answer.url} gave an answer that makes no sense: is that headrace?") from error


def _id(answer: requests.Response) -> str:
    return str(answer.json()["id"])


def _batch(answer: requests.Response) -> BatchView:
    return BatchView.of(answer.json())


def _released(answer: requests.Response) -> int:
    return int(answer.json()["released"])
