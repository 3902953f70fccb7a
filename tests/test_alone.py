"""Work of one name is done by one process at a time, as far as Redis answers."""

import gevent
import pytest
from gevent.event import Event
from redis import Redis

from headrace.limits import connect
from tests.servers import free_port
from worker import alone
from worker.alone import Alone

pytest_plugins = ["tests.databases"]

NAME = "ingest:batch_1"


@pytest.fixture
def redis(redis_client_url):
    with connect(redis_client_url) as client:
        yield client


class Work:
    """What goes on until it is told to end; counts how often it was begun."""

    def __init__(self):
        self.begun = 0
        self.end = Event()

    def __call__(self):
        self.begun += 1
        self.end.wait(10)


def start(alone_, work, name=NAME):
    started = gevent.spawn(alone_.do, name, work)
    gevent.sleep(0.05)
    return started


@pytest.mark.parametrize("elsewhere", [True, False])
def test_what_is_being_done_is_not_begun_again(redis, elsewhere):
    work, here = Work(), Alone(redis)
    first = start(here, work)

    (Alone(redis) if elsewhere else here).do(NAME, work)
    assert work.begun == 1

    other = start(here, work, "ingest:batch_2")
    assert work.begun == 2
    work.end.set()
    gevent.joinall([first, other], timeout=10, raise_error=True)
    Alone(redis).do(NAME, work)
    assert work.begun == 3


def test_work_that_takes_long_stays_alone(redis, monkeypatch):
    monkeypatch.setattr(alone, "HELD_SECONDS", 0.6)
    monkeypatch.setattr(alone, "RENEW_SECONDS", 0.1)
    work = Work()
    first = start(Alone(redis), work)

    gevent.sleep(1.5)
    Alone(redis).do(NAME, work)

    assert work.begun == 1
    work.end.set()
    first.get(timeout=10)


def test_work_of_a_killed_process_is_begun_again_after_seconds(redis, monkeypatch):
    monkeypatch.setattr(alone, "HELD_SECONDS", 0.3)
    monkeypatch.setattr(alone, "RENEW_SECONDS", 60)  # nobody renews
    work = Work()
    first = start(Alone(redis), work)
    gevent.sleep(0.5)

    work.end.set()
    Alone(redis).do(NAME, work)

    assert work.begun == 2
    first.get(timeout=10)


def test_without_redis_work_is_done_all_the_same():
    with Redis(port=free_port(), socket_timeout=1) as away:
        work = Work()
        work.end.set()

        Alone(away).do(NAME, work)

    assert work.begun == 1


def test_work_that_fails_can_be_begun_again(redis):
    def fail():
        raise ValueError("it broke")

    here, work = Alone(redis), Work()
    with pytest.raises(ValueError, match="it broke"):
        here.do(NAME, fail)

    work.end.set()
    here.do(NAME, work)
    assert work.begun == 1
