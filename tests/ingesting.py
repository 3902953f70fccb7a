"""Ingests one batch and ends: a process that a test can kill. Arguments: database URL, data folder, batch."""

import sys
from pathlib import Path

from headrace.config import load_config
from headrace.db import Database
from headrace.settings import Settings
from worker.ingest import Ingest
from worker.stopping import StopFlag


def main(database_url: str, data_dir: str, batch_id: str) -> None:
    """What the task does."""
    settings = Settings(database_url=database_url, data_dir=Path(data_dir))
    Ingest(batch_id, Database(database_url), settings, load_config(settings), StopFlag()).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
