"""How every request goes to a provider: with its key, and with nobody between."""

from http.cookiejar import DefaultCookiePolicy

import requests

from headrace import __version__
from headrace.config import Provider

CHUNK_BYTES = 64 * 1024


def new_session(provider: Provider) -> requests.Session:
    """A session with the provider's key. Its user gives timeouts, and `allow_redirects=False`."""
    session = _Session()
    session.trust_env = False  # no proxy and no .netrc may see the key
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # calls share nothing but connections
    session.headers["User-Agent"] = f"headrace/{__version__}"
    key = provider.secret()
    if key:
        session.headers["Authorization"] = f"Bearer {key}"
    return session


def body_of(response: requests.Response, most_bytes: int) -> bytes | None:
    """The body of a streamed answer; None as soon as it has more than `most_bytes`."""
    parts, size = [], 0
    for part in response.raw.stream(CHUNK_BYTES, decode_content=True):
        parts.append(part)
        size += len(part)
        if size > most_bytes:
            return None
    return b"".join(parts)


class _Session(requests.Session):
    """One that does not even look where a redirect leads: what it finds there can raise anything."""

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002
        """Called by requests for every answer."""
        return
