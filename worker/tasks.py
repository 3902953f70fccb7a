"""The Celery tasks. Their names are a wire contract; their argument is a lane's or a batch's name."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import signals
from gevent import monkey
from sqlalchemy.exc import SQLAlchemyError

from headrace.dispatch import DRAIN, FINALISE, INGEST, SWEEP, app
from headrace.errors import ConfigurationError, HeadraceError
from headrace.listening import stop_listening
from headrace.long_running import allow_many_files, settle_in
from headrace.settings import Settings
from worker.finalise import finalise
from worker.ingest import Ingest
from worker.logs import set_up_logs
from worker.process import Process
from worker.refusals import described

log = logging.getLogger(__name__)

_running: list[Process] = []


@app.task(name=DRAIN)
def drain(lane: str) -> None:
    """Make the due calls of a lane."""
    with _told(f"lane {lane}"):
        process().drain(lane)


@app.task(name=INGEST)
def ingest(batch_id: str) -> None:
    """Make jobs of a batch's input."""
    here = process()
    reader = Ingest(batch_id, here.db, here.settings, here.config, here.stop)
    with _told(f"the input of {batch_id}"):
        here.alone.do(f"ingest:{batch_id}", reader.run)


@app.task(name=FINALISE)
def finalise_batch(batch_id: str) -> None:
    """Write the files of a batch that is done."""
    here = process()
    with _told(f"the files of {batch_id}"):
        here.alone.do(f"finalise:{batch_id}", lambda: finalise(batch_id, here.db, here.settings.files_dir))


@app.task(name=SWEEP)
def sweep() -> None:
    """Find what was left lying."""
    process().sweeper.beat()


def process() -> Process:
    """The one process object, made when Celery starts a worker."""
    if not _running:
        raise ConfigurationError("the tasks of headrace run in `celery -A worker worker` only")
    return _running[0]


@signals.setup_logging.connect
def _logs(**_: Any) -> None:
    set_up_logs(Settings().log_level)


@signals.worker_init.connect
def _init(**_: Any) -> None:
    with _or_exit():
        if not monkey.is_module_patched("socket"):
            raise ConfigurationError("start the worker with `-P gevent`")
        allow_many_files()
        _running.append(Process(Settings()))


@signals.worker_ready.connect
def _ready(**_: Any) -> None:
    with _or_exit():
        process().start()
    settle_in()


@signals.beat_init.connect
def _beat_ready(**_: Any) -> None:
    settle_in()


@signals.worker_shutting_down.connect
def _stopping(**_: Any) -> None:
    for here in _running:
        here.stop_claiming()
    stop_listening()


@signals.worker_shutdown.connect
def _stopped(**_: Any) -> None:
    for here in _running:
        here.shut_down()


@contextmanager
def _told(what: str) -> Iterator[None]:
    """A line in the log, and no traceback, which may quote a row. The next sweep asks for the work again."""
    try:
        yield
    except SQLAlchemyError as error:
        log.warning("%s broke off: %s", what, described(error))


@contextmanager
def _or_exit() -> Iterator[None]:
    """Celery logs what a signal's receiver raises and goes on, all but an exit; half a worker is worse."""
    try:
        yield
    except (HeadraceError, SQLAlchemyError, ValueError) as error:
        raise SystemExit(f"headrace: the worker cannot start: {error}") from error
