"""What the SDK is tried against: a whole headrace, a simulated provider, and a shelf of files and batches."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from headrace.clock import now
from headrace.db import Database
from headrace.embedded import Stack
from headrace.ids import new_id
from headrace.models import Batch, File
from headrace.settings import Settings
from headrace.simulator import SimulatorConfig, SimulatorProcess
from headrace.states import BatchStatus
from headrace.store import batches, files, keys
from tests import spent

SHELF_FILES, SHELF_BATCHES = 1000, 200
MODELS = """
[providers.mill]
base_url = "{url}"

[quotas.unpaced]
provider = "mill"
[quotas.slow]
provider = "mill"
rpm = 120

[models.small]
quota = "unpaced"
[models."maker/large"]
quota = "unpaced"
[models.slow]
quota = "slow"
"""


class Rig:
    """Its URL is without /v1. The shelf's key owns 1,000 files and 200 batches that are over.

    The admin's key sees the calls of two models on a day, and none on the next.
    """

    def __init__(self, url: str, db: Database) -> None:
        self.url = url
        self._db = db
        self.shelf_key = self._filled_shelf()
        self.admin_key = self._admin()

    def new_key(self) -> str:
        """A key that owns nothing yet."""
        with self._db.begin() as session:
            return keys.create(session, "a version of the SDK")[1]

    def _admin(self) -> str:
        spent.spend(self._db, "key_a", 0, spent.CALL, spent.CALL, batch_id="batch_a")
        spent.spend(self._db, "key_b", 5, spent.CALL, spent.LOST, model="small")
        with self._db.begin() as session:
            return keys.create(session, "an administrator", is_admin=True)[1]

    def _filled_shelf(self) -> str:
        with self._db.begin() as session:
            key, secret = keys.create(session, "the shelf")
            for number in range(SHELF_FILES):
                files.add(session, _file(key.id, number))
            for number in range(SHELF_BATCHES):
                batches.create(session, _batch(key.id, number))
        return secret


@contextmanager
def rig(folder: Path) -> Iterator[Rig]:
    """A rig in this folder, until the end of the block."""
    with ExitStack() as cleanup:
        mill = cleanup.enter_context(SimulatorProcess(SimulatorConfig(latency_ms=5)))
        config = folder / "headrace.toml"
        config.write_text(MODELS.format(url=mill.base_url))
        settings = Settings(
            data_dir=folder, config=config, max_file_bytes=8 * 1024 * 1024, max_body_bytes=1024 * 1024
        )
        stack = cleanup.enter_context(Stack(settings, workers=1))
        stack.wait_ready()
        db = Database(stack.settings.database)
        cleanup.callback(db.close)
        yield Rig(stack.base_url, db)


def _file(key_id: str, number: int) -> File:
    return File(
        id=_in_order("file-", number),
        api_key_id=key_id,
        purpose="user_data" if number % 2 else "batch",
        filename=f"{number}.jsonl",
        bytes=number,
    )


def _batch(key_id: str, number: int) -> Batch:
    return Batch(
        id=_in_order("batch_", number),
        api_key_id=key_id,
        endpoint="/v1/chat/completions",
        input_file_id="file-none",
        completion_window="24h",
        details={"number": str(number)},
        status=BatchStatus.FAILED,
        errors=[{"code": "invalid_request", "message": "None.", "param": "file_id", "line": None}],
        expires_at=now(),
        failed_at=now(),
    )


def _in_order(prefix: str, number: int) -> str:
    """An id of now; those of one millisecond are in the order of their numbers."""
    made = new_id(prefix)
    return f"{made[:-16]}{number:04x}{made[-12:]}"
