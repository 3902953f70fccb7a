"""Jobs whose budget is used up are held, and go on when there is room again."""

import logging
import time

import gevent

from headrace.clock import now
from headrace.db import Database
from headrace.dispatch import wake
from headrace.store import pausing
from headrace.store.accounts import AccountId
from worker.stopping import StopFlag

log = logging.getLogger(__name__)

SLICE = 1000
QUIET_SECONDS = 10.0  # after a look that found nothing to hold: it costs more the more is held already


class Pausing:
    """A duty of the sweep. Departures refuse what has no room; this keeps it from being tried again."""

    def __init__(self, db: Database, stop: StopFlag) -> None:
        self._db = db
        self._stop = stop
        self._quiet_until: dict[AccountId, float] = {}

    def look(self) -> None:
        """Hold what waits for closed budgets; queue what was held for those that have room."""
        with self._db.read() as session:
            found = pausing.closed(session, now())
        held = {one.account for one in found if not one.has_room}
        self._quiet_until = {name: until for name, until in self._quiet_until.items() if name in held}
        for one in found:
            if one.has_room:
                self._resume(one.account)
            elif time.monotonic() >= self._quiet_until.get(one.account, 0.0):
                self._hold(one.account)

    def _hold(self, account: AccountId) -> None:
        with self._db.read() as session:
            held = SLICE if pausing.has_queued(session, account) else 0
        if not held:
            self._quiet_until[account] = time.monotonic() + QUIET_SECONDS
        while held == SLICE and not self._stop.is_set():
            with self._db.begin() as session:
                held = pausing.hold(session, account, SLICE)
            if held:
                log.warning("%d jobs are held: the budget of %s is used up", held, account[0])
            gevent.sleep(0)

    def _resume(self, account: AccountId) -> None:
        """Its mark goes last: a sweep that breaks off is gone on with. Some may be held again by another."""
        lanes, before = list[str](), now()
        more = True
        while more and not self._stop.is_set():
            with self._db.begin() as session:
                resumed = pausing.resume(session, account, before, SLICE)
            lanes += resumed
            more = len(resumed) == SLICE
            gevent.sleep(0)
        if more:
            return
        with self._db.begin() as session:
            is_open = pausing.reopen(session, account)
        if is_open or lanes:
            log.warning("the budget of %s has room again: %d jobs go on", account[0], len(lanes))
        for lane in set(lanes):
            wake(lane)
