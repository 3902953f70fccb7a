"""The proxy of the fault tests does to a connection what it says."""

import socket
import threading
import time

import pytest

from tests.chaos import HOST, ChaosProxy
from tests.simulated import eventually


@pytest.fixture
def echo():
    """The port of a server that sends back what it receives."""
    listener = socket.create_server((HOST, 0))

    def answer(connection):
        with connection:
            try:
                while piece := connection.recv(65536):
                    connection.sendall(piece)
            except OSError:
                return

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=[connection], daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


@pytest.fixture
def proxy(echo):
    with ChaosProxy(HOST, echo) as proxy:
        yield proxy


@pytest.fixture
def client(proxy):
    with connected(proxy) as client:
        assert said(client, b"hello") == b"hello"
        yield client


def connected(proxy):
    return socket.create_connection((HOST, proxy.port), timeout=10)


def anew(proxy):
    """What comes back to a new client's hello."""
    with connected(proxy) as client:
        return said(client, b"hello")


def said(client, text):
    """What comes back, as long as what was sent; less if the connection ends."""
    client.sendall(text)
    return heard(client, len(text))


def heard(client, length):
    came = b""
    while len(came) < length and (piece := client.recv(65536)):
        came += piece
    return came


def test_bytes_pass_in_both_directions_and_so_does_a_close(proxy, client):
    long = bytes(range(256)) * 4000
    sender = threading.Thread(target=client.sendall, args=[long])
    sender.start()
    assert heard(client, len(long)) == long
    sender.join(10)

    client.shutdown(socket.SHUT_WR)

    assert client.recv(1) == b""
    eventually(lambda: not proxy._connections)


def test_a_delay_is_for_open_connections_too(proxy, client):
    proxy.delay(0.2)
    start = time.monotonic()

    assert said(client, b"late") == b"late"

    assert time.monotonic() - start >= 0.4
    proxy.heal()
    assert said(client, b"quick") == b"quick"


def test_a_drip_takes_its_time_and_loses_nothing_when_it_ends(proxy, client):
    proxy.drip(100)
    start = time.monotonic()
    assert said(client, b"x" * 40) == b"x" * 40
    assert time.monotonic() - start >= 0.4

    client.sendall(bytes(100_000))
    assert len(heard(client, 5)) >= 5
    proxy.heal()

    client.shutdown(socket.SHUT_WR)
    assert 99_000 < len(heard(client, 200_000)) <= 100_000


def test_a_blackhole_accepts_and_says_nothing_until_it_is_healed(proxy, client):
    proxy.blackhole()
    client.settimeout(0.3)
    with connected(proxy) as another:
        another.settimeout(0.3)
        for one in (client, another):
            with pytest.raises(TimeoutError):
                said(one, b"anybody?")

        proxy.heal()
        for one in (client, another):
            one.settimeout(10)
            assert heard(one, 8) == b"anybody?"


def test_a_reset_ends_open_and_new_connections(proxy, client):
    proxy.reset()

    with pytest.raises(ConnectionResetError):
        said(client, b"hello")
    with pytest.raises(ConnectionError):
        anew(proxy)
    proxy.heal()
    assert anew(proxy) == b"hello"


def test_an_answer_is_cut_after_so_many_bytes(proxy, client):
    proxy.truncate(3)

    assert said(client, b"hello") == b"hel"
    assert anew(proxy) == b"hel"


def test_garbage_has_the_length_of_the_answer(proxy, client):
    proxy.garbage()

    came = said(client, b"hello hello hello")

    assert len(came) == 17
    assert came != b"hello hello hello"


def test_nobody_listens_until_it_is_healed_on_the_same_port(proxy, client):
    port = proxy.port
    proxy.refuse()

    assert client.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        connected(proxy)
    proxy.heal()
    assert proxy.port == port
    assert anew(proxy) == b"hello"


def test_a_url_goes_through_the_proxy(proxy):
    assert (
        proxy.through("postgresql://me:word@10.0.0.1:5432/db?a=b")
        == f"postgresql://me:word@{HOST}:{proxy.port}/db?a=b"
    )
    assert ChaosProxy.before("http://127.0.0.1:80/v1")._target == ("127.0.0.1", 80)
