"""The providers: reached, and the key taken? Asks for the list of models, which costs nothing."""

from collections.abc import Iterator

import requests

from headrace.config import OPENAI_BASE_URL, Provider
from headrace.doctor.findings import Finding, ok, warning, wrong
from headrace.provider_session import new_session

TIMEOUT_SECONDS = 10.0
NO_LIST = frozenset({404, 405, 501})


def look_at_provider(provider: Provider) -> Iterator[Finding]:
    """One request: GET {base_url}/models with the key."""
    subject = f"provider {provider.name}"
    if provider.base_url == OPENAI_BASE_URL and not provider.secret():
        variable = provider.key_env or "HEADRACE_PROVIDER_KEY or OPENAI_API_KEY"
        yield wrong(subject, f"there is no key for {provider.base_url}", f"set {variable}")
        return
    try:
        status, seconds = _asked(provider)
    except (requests.RequestException, ValueError) as error:
        yield wrong(subject, *_unreached(provider, error))
        return
    yield _judged(subject, provider, status, seconds)


def _asked(provider: Provider) -> tuple[int, float]:
    """Status and seconds. The way that calls go."""
    url = f"{provider.base_url}/models"
    with (
        new_session(provider) as session,
        session.get(url, timeout=TIMEOUT_SECONDS, allow_redirects=False, stream=True) as response,
    ):
        return response.status_code, response.elapsed.total_seconds()


def _unreached(provider: Provider, error: Exception) -> tuple[str, str]:
    if isinstance(error, ValueError):  # a header or a URL that cannot be: its words may have the key
        return f"no request can be made: {type(error).__name__}", "correct its base_url and its key"
    cause = _cause(error)
    said = f"{provider.base_url} cannot be reached: {type(cause).__name__}: {cause}"
    if isinstance(error, requests.exceptions.SSLError):
        return said, "correct the URL, or the certificates of this host (REQUESTS_CA_BUNDLE is not read)"
    if isinstance(error, requests.Timeout):
        return (
            f"{provider.base_url} said nothing for {TIMEOUT_SECONDS:g} s",
            "see whether a firewall is between",
        )
    return said, "start it, or correct its base_url (HEADRACE_PROVIDER_URL)"


def _cause(error: BaseException) -> BaseException:
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return error


def _judged(subject: str, provider: Provider, status: int, seconds: float) -> Finding:
    said = f"{provider.base_url} answers {status} in {seconds * 1000:.0f} ms"
    if 200 <= status < 300:
        return ok(subject, said)
    if status in NO_LIST:
        return ok(subject, f"{said}: it has no list of models, which is fine")
    if status == 401:
        return wrong(
            subject, f"{said}: the key is wrong", "correct HEADRACE_PROVIDER_KEY, or the key in the file"
        )
    if 300 <= status < 400:
        return wrong(subject, f"{said}: it redirects, which is never followed", "correct its base_url")
    if status == 403:
        what = f"{said}: the key may not list models; it may still be allowed to call them"
        return warning(subject, what, "if calls are refused too, see the account at the provider")
    return warning(subject, said, "if it lasts, see the provider's status page and the account")
