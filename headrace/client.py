"""A client for headrace's own API, as the command line uses it. Programs have the `openai` SDK."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlsplit

import requests
from requests.auth import AuthBase
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from headrace import __version__
from headrace.errors import HeadraceError, Unavailable

TIMEOUT_SECONDS = (5.0, 60.0)  # to connect, and between two pieces of the answer
UPLOAD_TIMEOUT_SECONDS = (5.0, 600.0)
RETRY_SECONDS = 30.0
RESULTS_PAGE = 500
CHUNK_BYTES = 64 * 1024
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Refused(HeadraceError):
    """The API's error envelope (contract 4.8). `status` is that of HTTP."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Unreachable(Unavailable):
    """No answer, or none that headrace gives."""


@dataclass(frozen=True, slots=True)
class BatchView:
    """A batch as the API shows it (contract 2.3). `counts` and `usage` in the words of `headrace.models`."""

    id: str
    status: str
    created_at: int
    total: int
    succeeded: int
    failed: int
    usage: Mapping[str, int]
    errors: list[dict[str, Any]]
    notice: str | None
    metadata: Mapping[str, str]

    @property
    def done(self) -> int:
        """Requests that ran to their end."""
        return self.succeeded + self.failed


@dataclass(frozen=True, slots=True)
class ResultsPage:
    """Output lines (contract 3.2) in the order in which they came, and the cursor to go on behind them."""

    lines: list[bytes]
    cursor: int
    has_more: bool


class Client:
    """Calls one headrace with one key. Every method raises Refused or Unreachable."""

    def __init__(self, base_url: str, api_key: str) -> None:
        """`base_url` with or without /v1."""
        self.base_url = base_url.rstrip("/").removesuffix("/v1")
        self._session = requests.Session()
        # On the loopback no proxy helps. A bearer object keeps .netrc from replacing the key.
        self._session.trust_env = urlsplit(self.base_url).hostname not in LOOPBACK
        self._session.auth = _Bearer(api_key)
        self._session.headers["User-Agent"] = f"headrace/{__version__}"
        self._was_answered = False
        self._patiently = Retrying(
            retry=retry_if_exception(self._may_pass),
            stop=stop_after_delay(RETRY_SECONDS),
            wait=wait_random_exponential(multiplier=0.25, max=3),
            reraise=True,
        )

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def not_ready(self) -> str | None:
        """Why work cannot be done now; None when it can."""
        try:
            self._once("GET", "/readyz")
        except (Refused, Unreachable) as error:
            return str(error)
        return None

    def upload(self, path: Path, name: str) -> str:
        """Send a `.jsonl` file under a name, piece by piece; returns its id."""
        with path.open("rb") as file:
            form = _FileForm(file, name)
            sent: str = self._once(
                "POST", "/v1/files", data=form, headers=form.headers, timeout=UPLOAD_TIMEOUT_SECONDS
            ).json()["id"]
            return sent

    def create_batch(self, file_id: str, endpoint: str, metadata: Mapping[str, str]) -> BatchView:
        """Have the requests of an uploaded file run."""
        wanted = {
            "input_file_id": file_id,
            "endpoint": endpoint,
            "completion_window": "24h",
            "metadata": dict(metadata),
        }
        return _batch(self._once("POST", "/v1/batches", json=wanted).json())

    def batch(self, batch_id: str) -> BatchView:
        """The batch as it stands."""
        return _batch(self._get(f"/v1/batches/{_segment(batch_id)}").json())

    def batches(self, page: int = 100) -> Iterator[BatchView]:
        """All batches, newest first, fetched `page` by page."""
        after: dict[str, str] = {}
        has_more = True
        while has_more:
            listed = self._get("/v1/batches", {"limit": page, **after}).json()
            yield from map(_batch, listed["data"])
            has_more = bool(listed["has_more"] and listed["data"])
            after = {"after": listed["data"][-1]["id"]} if has_more else {}

    def cancel(self, batch_id: str) -> BatchView:
        """Ask a batch to end."""
        return _batch(self._once("POST", f"/v1/batches/{_segment(batch_id)}/cancel").json())

    def results(self, batch_id: str, after: int) -> ResultsPage:
        """The results behind the cursor `after` (0: from the start), at most a page of them."""
        query = {"after": after, "limit": RESULTS_PAGE}
        answer = self._get(f"/v1/batches/{_segment(batch_id)}/results", query)
        return ResultsPage(
            lines=[line for line in answer.content.split(b"\n") if line],
            cursor=int(answer.headers["x-headrace-cursor"]),
            has_more=answer.headers["x-headrace-has-more"] == "true",
        )

    def _get(self, path: str, query: Mapping[str, str | int] | None = None) -> requests.Response:
        return self._patiently(self._once, "GET", path, params=query)

    def _once(self, method: str, path: str, **options: Any) -> requests.Response:
        options.setdefault("timeout", TIMEOUT_SECONDS)
        try:
            answer = self._session.request(method, self.base_url + path, allow_redirects=False, **options)
        except (requests.RequestException, OSError) as error:
            raise Unreachable(f"no answer from {self.base_url} ({type(error).__name__})") from error
        self._was_answered = True
        if answer.status_code != HTTPStatus.OK:
            raise Refused(answer.status_code, _message(answer))
        return answer

    def _may_pass(self, error: BaseException) -> bool:
        """Whether asking again may help. An address that never answered has no headrace."""
        busy = isinstance(error, Refused) and error.status == HTTPStatus.SERVICE_UNAVAILABLE
        return busy or (isinstance(error, Unreachable) and self._was_answered)


class _Bearer(AuthBase):
    def __init__(self, api_key: str) -> None:
        self._header = f"Bearer {api_key}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._header
        return request


class _FileForm:
    """A multipart body with one file (contract 1.2), never in memory as a whole."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        boundary = os.urandom(16).hex()
        name = name.translate({ord('"'): "%22", ord("\r"): "%0D", ord("\n"): "%0A"})
        part = f'--{boundary}\r\nContent-Disposition: form-data; name="'
        head = f'{part}purpose"\r\n\r\nbatch\r\n{part}file"; filename="{name}"\r\n\r\n'
        self.headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        self._file = file
        self._head, self._foot = head.encode(), f"\r\n--{boundary}--\r\n".encode()

    def __len__(self) -> int:
        return len(self._head) + os.fstat(self._file.fileno()).st_size + len(self._foot)

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        while chunk := self._file.read(CHUNK_BYTES):
            yield chunk
        yield self._foot


def _segment(name: str) -> str:
    return quote(name, safe="")


def _message(answer: requests.Response) -> str:
    try:
        said = answer.json()
        if "checks" in said:
            return "; ".join(f"{part}: {state}" for part, state in said["checks"].items() if state != "ok")
        return str(said["error"]["message"])
    except (requests.JSONDecodeError, AttributeError, KeyError, TypeError):
        return f"{answer.url} answered {answer.status_code} {answer.reason}: is that headrace?"


def _batch(shown: Mapping[str, Any]) -> BatchView:
    counts, usage, errors = shown["request_counts"], shown["usage"] or {}, shown["errors"] or {}
    return BatchView(
        id=shown["id"],
        status=shown["status"],
        created_at=shown["created_at"],
        total=counts["total"],
        succeeded=counts["completed"],
        failed=counts["failed"],
        usage={
            "prompt_tokens": usage.get("input_tokens", 0),
            "cached_tokens": usage.get("input_tokens_details", {}).get("cached_tokens", 0),
            "completion_tokens": usage.get("output_tokens", 0),
            "reasoning_tokens": usage.get("output_tokens_details", {}).get("reasoning_tokens", 0),
            "total_tokens": usage.get("total_tokens", 0),
        },
        errors=errors.get("data", []),
        notice=shown.get("notice"),
        metadata=shown["metadata"] or {},
    )
