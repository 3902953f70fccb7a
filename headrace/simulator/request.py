"""HTTP/1.1 requests out of a stream of bytes (RFC 9112). No sockets here."""

import re
from dataclasses import dataclass

MAX_HEAD_BYTES = 64 * 1024
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*(?:;.*)?", re.DOTALL)


class BadRequest(Exception):
    """The bytes are no request that we read; the connection cannot go on. `status` is what to answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class Request:
    """One whole request. Header names are in lower case; `path` is without its query."""

    method: str
    path: str
    headers: dict[str, str]
    keep_alive: bool
    body: bytes = b""


class RequestReader:
    """Feed it bytes, take requests from it: any number may wait in it (pipelining)."""

    def __init__(self, max_body_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes
        self._buffer = bytearray()
        self._request: Request | None = None  # its head is read, its body is not
        self._length: int | None = 0  # None: chunked
        self._chunks = bytearray()

    @property
    def waiting_bytes(self) -> int:
        """Bytes fed and not yet taken."""
        return len(self._buffer)

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for `100 Continue` before it sends the body. True once a request."""
        request = self._request
        return request is not None and request.headers.pop("expect", "").lower() == "100-continue"

    def feed(self, data: bytes | memoryview) -> None:
        """Take in what the socket gave."""
        self._buffer += data

    def next(self) -> Request | None:
        """The next whole request, or None until more is fed. Raises BadRequest."""
        if self._request is None:
            self._request = self._read_head()
        if self._request is None:
            return None
        body = self._read_chunks() if self._length is None else self._read_exactly(self._length)
        if body is None:
            return None
        request, self._request = self._request, None
        request.body = body
        return request

    def _read_head(self) -> Request | None:
        buffer = self._buffer
        while buffer.startswith(b"\r\n"):
            del buffer[:2]
        end = buffer.find(b"\r\n\r\n")
        if end > MAX_HEAD_BYTES or (end < 0 and len(buffer) > MAX_HEAD_BYTES):
            raise BadRequest(431, "The request's header is too large.")
        if end < 0:
            return None
        head = buffer[:end].decode("latin-1")
        del buffer[: end + 4]
        return self._parse_head(head)

    def _parse_head(self, head: str) -> Request:
        first, *lines = head.split("\r\n")
        words = first.split(" ")
        if len(words) != 3 or words[2] not in ("HTTP/1.1", "HTTP/1.0"):
            raise BadRequest(400, "This is no HTTP/1.1 request.")
        headers = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon:
                raise BadRequest(400, "A header line has no colon.")
            headers[name.lower()] = value.strip()
        self._length = self._body_length(headers)
        keep_alive = words[2] == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
        return Request(words[0], words[1].partition("?")[0], headers, keep_alive)

    def _body_length(self, headers: dict[str, str]) -> int | None:
        length, coding = headers.get("content-length"), headers.get("transfer-encoding")
        if coding is not None:
            if length is not None or coding.lower() != "chunked":
                raise BadRequest(400, "Transfer-Encoding must be 'chunked', and alone.")
            return None
        if length is None:
            return 0
        if not (length.isascii() and length.isdigit()):
            raise BadRequest(400, "Content-Length is no number.")
        if len(length) > 18 or int(length) > self._max_body_bytes:
            raise self._too_large()
        return int(length)

    def _read_exactly(self, length: int) -> bytes | None:
        if len(self._buffer) < length:
            return None
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        return body

    def _read_chunks(self) -> bytes | None:
        buffer = self._buffer
        while (end := buffer.find(b"\r\n", 0, 1024)) >= 0:
            size = _CHUNK_SIZE.fullmatch(buffer, 0, end)
            if size is None:
                raise BadRequest(400, "A chunk does not begin with its size.")
            length = int(size[1], 16)
            if length == 0:
                return self._end_chunks(end)
            if len(self._chunks) + length > self._max_body_bytes:
                raise self._too_large()
            stop = end + 2 + length
            if len(buffer) < stop + 2:
                return None
            if buffer[stop : stop + 2] != b"\r\n":
                raise BadRequest(400, "A chunk is longer than it says.")
            self._chunks += buffer[end + 2 : stop]
            del buffer[: stop + 2]
        if len(buffer) >= 1024:
            raise BadRequest(400, "A chunk does not begin with its size.")
        return None

    def _end_chunks(self, end: int) -> bytes | None:
        # Trailers, if any, end with an empty line like a head; without them that line follows at once.
        stop = self._buffer.find(b"\r\n\r\n", end)
        if stop < 0:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise BadRequest(431, "The request's trailer is too large.")
            return None
        del self._buffer[: stop + 4]
        body = bytes(self._chunks)
        self._chunks.clear()
        return body

    def _too_large(self) -> BadRequest:
        return BadRequest(413, f"The request's body is larger than {self._max_body_bytes} bytes.")
