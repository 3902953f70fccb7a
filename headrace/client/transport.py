"""HTTP to one headrace with one key: what is sent again, and what a failure is called."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from headrace import __version__
from headrace.errors import HeadraceError, Unavailable

TIMEOUT_SECONDS = (5.0, 60.0)  # to connect, and between two pieces of the answer
RETRY_SECONDS = 30.0
Query = Mapping[str, str | int | Sequence[str]]
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Refused(HeadraceError):
    """The API's error envelope (contract 4.8). `status` is that of HTTP."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Unreachable(Unavailable):
    """No answer, or none that headrace gives."""


class Transport:
    """Requests to one address. Every method raises Refused or Unreachable."""

    def __init__(self, base_url: str, api_key: str) -> None:
        """`base_url` with or without /v1."""
        self._base_url = base_url.rstrip("/").removesuffix("/v1")
        self._session = requests.Session()
        # On the loopback no proxy helps. A bearer object keeps .netrc from replacing the key.
        self._session.trust_env = urlsplit(self._base_url).hostname not in LOOPBACK
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

    def get(self, path: str, query: Query | None = None) -> requests.Response:
        """Ask, and ask again for up to 30 s if that may help."""
        return self.patiently("GET", path, params=query)

    def patiently(self, method: str, path: str, **options: Any) -> requests.Response:
        """One request, sent again for up to 30 s if that may help: only for what may come twice."""
        return self._patiently(self.once, method, path, **options)

    def once(self, method: str, path: str, **options: Any) -> requests.Response:
        """One request, with the options of `requests`."""
        options.setdefault("timeout", TIMEOUT_SECONDS)
        try:
            answer = self._session.request(method, self._base_url + path, allow_redirects=False, **options)
        except (requests.RequestException, OSError) as error:
            raise Unreachable(f"no answer from {self._base_url} ({type(error).__name__})") from error
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


def _message(answer: requests.Response) -> str:
    try:
        said = answer.json()
        if "checks" in said:
            return "; ".join(f"{part}: {state}" for part, state in said["checks"].items() if state != "ok")
        return str(said["error"]["message"])
    except (requests.JSONDecodeError, AttributeError, KeyError, TypeError):
        return f"{answer.url} answered {answer.status_code} {answer.reason}: is that headrace?"
