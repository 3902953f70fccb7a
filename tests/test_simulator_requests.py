"""The simulator's reading of HTTP/1.1, without sockets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.simulator.request import BadRequest, RequestReader


@given(st.data())
def test_requests_are_the_same_however_their_bytes_arrive(data):
    stream = (
        b"POST /a?x=1 HTTP/1.1\r\nContent-Length: 5\r\nX-Y: Z\r\n\r\nhello\r\n"
        b"POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\nT: u\r\n\r\n"
        b"POST /c HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /d HTTP/1.1\r\n\r\n"
    )
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)))))
    reader, seen = RequestReader(100), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        reader.feed(stream[start:end])
        while request := reader.next():
            seen.append((request.path, request.body, request.keep_alive))
    assert seen == [("/a", b"hello", True), ("/b", b"hello", True), ("/c", b"", False), ("/d", b"", True)]


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("nonsense", 400),
        ("POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", 400),
        ("POST / HTTP/1.1\r\nContent-Length: +5", 400),
        ("POST / HTTP/1.1\r\nContent-Length: 101", 413),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n65", 413),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x5", 400),
        (f"GET / HTTP/1.1\r\nX: {'x' * 70_000}", 431),
    ],
)
def test_bytes_that_are_no_request_are_refused(head, status):
    reader = RequestReader(100)
    reader.feed(head.encode() + b"\r\n\r\n")
    with pytest.raises(BadRequest) as refused:
        reader.next()
    assert refused.value.status == status
