"""Redis away, hanging, restarted, full: the limiter fails closed within seconds, and works again after."""

import socket
import time

import pytest

from headrace.config import Quota
from headrace.errors import Unavailable
from headrace.limits import SOCKET_TIMEOUT_SECONDS, Ask, Limiter, Settled, connect
from tests import servers
from tests.simulated import eventually

QUOTA = Quota(name="q", provider="p", rpm=600, max_in_flight=100)
ASK = [Ask("call", 1)]
VERBS = {
    "book": lambda limiter: limiter.book(QUOTA, "lane", ASK),
    "settle": lambda limiter: limiter.settle(QUOTA, [Settled("call", 0)]),
    "pause": lambda limiter: limiter.pause(QUOTA, 1, "429"),
    "look": lambda limiter: limiter.look(QUOTA),
}


@pytest.fixture
def limiter_at():
    clients = []

    def make(url):
        clients.append(connect(url))
        return Limiter(clients[-1])

    yield make
    for client in clients:
        client.connection_pool.disconnect()


@pytest.mark.parametrize("verb", VERBS)
def test_a_redis_that_is_away_is_unavailable_at_once(limiter_at, verb):
    limiter = limiter_at(f"redis://127.0.0.1:{servers.free_port()}")

    began = time.monotonic()
    with pytest.raises(Unavailable, match="Redis"):
        VERBS[verb](limiter)
    assert time.monotonic() - began < 2


def test_a_redis_that_never_answers_is_unavailable_within_seconds(limiter_at):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        limiter = limiter_at(f"redis://127.0.0.1:{silent.getsockname()[1]}")

        began = time.monotonic()
        with pytest.raises(Unavailable):
            limiter.book(QUOTA, "lane", ASK)
        assert time.monotonic() - began < SOCKET_TIMEOUT_SECONDS + 3


def test_the_address_and_its_password_are_not_told(limiter_at):
    limiter = limiter_at(f"redis://:se-cret@127.0.0.1:{servers.free_port()}")

    with pytest.raises(Unavailable) as away:
        limiter.look(QUOTA)

    assert "se-cret" not in str(away.value)


def test_after_a_crash_of_redis_the_limiter_goes_on_where_it_was(limiter_at):
    with servers.valkey() as server:
        limiter = limiter_at(server.url)
        asks = [Ask(str(number), 1) for number in range(100)]
        limiter.book(QUOTA, "lane", asks)

        server.kill()
        for verb in VERBS.values():
            with pytest.raises(Unavailable):
                verb(limiter)
        server.start()

        limiter.settle(QUOTA, [Settled("1", 0)])
        assert limiter.book(QUOTA, "lane", asks).delays_seconds == []
        eventually(lambda: limiter.book(QUOTA, "lane", asks).delays_seconds)


def test_a_redis_that_is_read_only_or_wants_a_password_is_unavailable(limiter_at):
    with servers.valkey() as server:
        owner, limiter = connect(server.url), limiter_at(server.url)
        limiter.book(QUOTA, "lane", ASK)

        owner.execute_command("REPLICAOF", "127.0.0.1", servers.free_port())
        with pytest.raises(Unavailable, match="read only"):
            limiter.book(QUOTA, "lane", ASK)
        owner.execute_command("REPLICAOF", "NO", "ONE")
        assert len(limiter.book(QUOTA, "lane", ASK).delays_seconds) == 1

        owner.config_set("requirepass", "se-cret")
        with pytest.raises(Unavailable, match="Authentication required"):
            limiter_at(server.url).book(QUOTA, "lane", ASK)
        owner.connection_pool.disconnect()
