"""Requests that the tests send byte by byte, or never to their end."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from tests.api_server import DEADLINE_SECONDS
from tests.multipart_bodies import MULTIPART


@contextmanager
def sending(
    api: Any, *, content_length: int, path: str = "/v1/files", **headers: str
) -> Iterator[socket.socket]:
    """A connection on which a request has begun: its head is sent, its body is the test's.

    `api` has a `url` and a `secret`. Without `headers` the body is said to be a form.
    """
    address = urlsplit(api.url)
    head = {"host": address.netloc, "authorization": f"Bearer {api.secret}", **(headers or MULTIPART)}
    lines = [f"{name}: {value}" for name, value in {**head, "content-length": content_length}.items()]
    with socket.create_connection((address.hostname, address.port), timeout=DEADLINE_SECONDS) as sender:
        sender.sendall("\r\n".join([f"POST {path} HTTP/1.1", *lines, "", ""]).encode())
        yield sender
