"""An HTTP relay before headrace: it notes each request as it came, and loses answers when told to."""

import threading
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Literal, NamedTuple, Self
from urllib.parse import urlsplit

DEADLINE_SECONDS = 30.0
HOP_BY_HOP = {"connection", "date", "keep-alive", "server", "transfer-encoding"}

# What proxies say; the SDK is told not to wait for long.
UNAVAILABLE = 503, {"content-type": "text/html", "retry-after-ms": "20"}, b"<h1>Service Unavailable</h1>"

# What becomes of a request: it is done and the connection cut, it is done and answered with a 503, or it is
# answered with a 503 and never arrives.
Fault = Literal["cut", "done and 503", "503"]


class Seen(NamedTuple):
    """A request: the path is as it was on the wire, and header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def retry_count(self) -> int:
        """How often the SDK says that it has sent this before."""
        return int(self.headers["x-stainless-retry-count"])


class Relay:
    """`with Relay(url) as relay: OpenAI(base_url=f"{relay.url}/v1")`."""

    def __init__(self, target: str) -> None:
        """The URL of a headrace, without a path."""
        self.seen: list[Seen] = []
        self.faults: list[Fault] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.relay = self
        self._server.target = urlsplit(target).netloc
        self._thread = threading.Thread(target=self._server.serve_forever, name="relay")
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def spoil(self, *faults: Fault) -> None:
        """What becomes of the next requests, in turn."""
        self.faults.extend(faults)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join(DEADLINE_SECONDS)
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    relay: Relay
    target: str


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = DEADLINE_SECONDS
    server: _Server

    def handle_one_request(self) -> None:
        if not self._read_head():
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = Seen(self.command, self.path, headers, self.rfile.read(int(headers.get("content-length", 0))))
        relay = self.server.relay
        relay.seen.append(seen)
        fault = relay.faults.pop(0) if relay.faults else None
        self._end(seen, fault)

    def _read_head(self) -> bool:
        try:
            self.raw_requestline = self.rfile.readline(65537)
        except TimeoutError:  # nothing more is asked on this connection
            return False
        return bool(self.raw_requestline) and self.parse_request()

    def _end(self, seen: Seen, fault: Fault | None) -> None:
        if fault == "503":
            self._answer(*UNAVAILABLE)
            return
        connection = HTTPConnection(self.server.target, timeout=DEADLINE_SECONDS)
        try:
            answer = self._passed_on(connection, seen)
            content = answer.read()
        finally:
            connection.close()
        if fault == "cut":
            self.close_connection = True
        elif fault == "done and 503":
            self._answer(*UNAVAILABLE)
        else:
            self._answer(answer.status, dict(answer.getheaders()), content)

    def _passed_on(self, connection: HTTPConnection, seen: Seen) -> HTTPResponse:
        connection.putrequest(seen.method, seen.path, skip_host=True, skip_accept_encoding=True)
        for name, value in seen.headers.items():
            connection.putheader(name, value)
        connection.endheaders(seen.body)
        return connection.getresponse()

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in HOP_BY_HOP | {"content-length"}:
                self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()
