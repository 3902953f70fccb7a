"""The commands that need no API: keys, migrations, the version; and errors on one line."""

import json

import pytest
from sqlalchemy import create_engine

from headrace import __version__
from headrace.db import Database
from headrace.store import keys
from tests.commands import headrace


@pytest.fixture
def command(tmp_path, database_url):
    """Runs a command on a new database; returns its exit status, standard output and standard error."""

    def command(*arguments):
        ended = headrace(*arguments, cwd=tmp_path, HEADRACE_DATABASE_URL=database_url, COLUMNS="200")
        return ended.returncode, ended.stdout, ended.stderr

    return command
