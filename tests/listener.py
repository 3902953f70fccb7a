"""A listener that says what a test wants it to say: a provider that misbehaves below HTTP."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

NO_LIST = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


@contextmanager
def listening(talk: Callable[[socket.socket], object]) -> Iterator[str]:
    """`host:port` of a listener that lets `talk` have each connection, and then closes it."""
    done = threading.Event()

    def serve() -> None:
        while not done.is_set():
            with suppress(TimeoutError, ConnectionError):  # nobody came, or the client left
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(10)
                    talk(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            done.set()
            thread.join(15)
        assert not thread.is_alive()


def read_request(connection: socket.socket) -> bytes:
    """A call. Whoever asks for models is told that there is no list, and the connection is over."""
    data = b""
    while not data.endswith(b"}]}"):
        part = connection.recv(65536)
        data += part
        if data.startswith(b"GET ") and data.endswith(b"\r\n\r\n"):
            connection.sendall(NO_LIST)
        if not part or data.startswith(b"GET "):
            raise ConnectionAbortedError("this is no call")
    return data
