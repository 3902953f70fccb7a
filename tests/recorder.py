"""A provider that keeps what it is sent, byte for byte, and answers with the bytes that it is given."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Recorder:
    """`answers` are by path below /v1; `received` are path and body of each call, in order."""

    def __init__(self, answers: dict[str, bytes]) -> None:
        self.answers = answers
        self.received: list[tuple[str, bytes]] = []
        self.base_url = ""

    def bodies(self, path: str) -> list[bytes]:
        """Those of the calls to a path below /v1."""
        return [body for called, body in self.received if called == path]


@contextmanager
def recording(answers: dict[str, bytes]) -> Iterator[Recorder]:
    """One on a free port."""
    recorder = Recorder(answers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_POST(self) -> None:
            path = self.path.removeprefix("/v1")
            recorder.received.append((path, self.rfile.read(int(self.headers["content-length"]))))
            self._answer(200, recorder.answers[path])

        def do_GET(self) -> None:
            self._answer(404, b"{}")

        def log_message(self, *_: object) -> None:
            """The tests' output is not for it."""

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        recorder.base_url = f"http://127.0.0.1:{server.server_port}/v1"
        try:
            yield recorder
        finally:
            server.shutdown()
            thread.join(15)
