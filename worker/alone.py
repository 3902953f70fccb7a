"""Work that one process does at a time. Two at it would harm nothing: they would do it twice."""

import logging
from collections.abc import Callable

import gevent
from redis import Redis
from redis.exceptions import LockError, RedisError
from redis.lock import Lock

log = logging.getLogger(__name__)

HELD_SECONDS = 10.0  # for so long after a kill nobody else begins
RENEW_SECONDS = 3.0


class Alone:
    """Who is at what, in this process and, as far as Redis answers, in all."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._here: set[str] = set()

    def do(self, name: str, work: Callable[[], None]) -> None:
        """Do `work`, unless somebody does what has this name. Whoever gave the hint gives it again."""
        if name in self._here:
            return
        self._here.add(name)
        try:
            self._do(name, work)
        finally:
            self._here.discard(name)

    def _do(self, name: str, work: Callable[[], None]) -> None:
        lock = Lock(
            self._redis, f"headrace:alone:{name}", timeout=HELD_SECONDS, blocking=False, thread_local=False
        )
        try:
            if not lock.acquire():
                return
        except RedisError as error:
            log.info("nobody knows whether another is at %s: %s", name, error)
            work()
            return
        renewing = gevent.spawn(_renew, lock)
        try:
            work()
        finally:
            renewing.kill()
            _release(lock)


def _renew(lock: Lock) -> None:
    """Until it is killed, or the lock is lost: then others may begin too."""
    try:
        while lock.reacquire():
            gevent.sleep(RENEW_SECONDS)
    except (RedisError, LockError) as error:
        log.info("%s is not ours any more: %s", lock.name, error)


def _release(lock: Lock) -> None:
    try:
        lock.release()
    except (RedisError, LockError) as error:
        log.info("%s runs out by itself: %s", lock.name, error)
