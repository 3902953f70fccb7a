"""The API as production starts it: a process of its own."""

import hashlib
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.api_server import DEADLINE_SECONDS, MEBIBYTE, wait_until
from tests.kinds import on_sqlite
from tests.multipart_bodies import END, LINES, MULTIPART, PURPOSE, part
from tests.servers import free_port

pytest_plugins = ["tests.databases", "tests.api_fixtures"]

ROOT = Path(__file__).parent.parent


@contextmanager
def production(api, folder):
    """The API as production starts it, in a process of its own, over the same database: its URL and pid."""
    port = free_port()
    settings = {
        "HEADRACE_DATABASE_URL": api.settings.database,
        "HEADRACE_REDIS_URL": api.settings.redis_url,
        "HEADRACE_DATA_DIR": str(folder),
    }
    command = [sys.executable, "-m", "uvicorn", "api:app", "--port", str(port), "--log-level", "warning"]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **settings}) as process:
        try:
            wait_until(lambda: answers(port), "the API to start")
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.terminate()
            assert process.wait(DEADLINE_SECONDS) in (0, -signal.SIGTERM)


def answers(port):
    try:
        return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=DEADLINE_SECONDS).ok
    except requests.ConnectionError:
        return False


def peak_bytes(pid):
    """The most memory that the process ever held."""
    (line,) = (
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM:")
    )
    return int(line.split()[1]) * 1024


@on_sqlite
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="it reads /proc")
def test_the_memory_stays_flat_while_a_large_file_comes_in(api, tmp_path):
    """A process of its own, started as in production, so that its memory is its own too."""
    with production(api, tmp_path) as (url, pid):
        send = {"authorization": f"Bearer {api.secret}", **MULTIPART}
        lines = LINES * (MEBIBYTE // len(LINES))

        def body(count):
            yield PURPOSE + part("file", LINES, "a.jsonl").removesuffix(b"\r\n")
            for _ in range(count):
                yield lines
            yield b"\r\n" + END

        small = requests.post(f"{url}/v1/files", data=body(1), headers=send, timeout=60)
        before = peak_bytes(pid)
        large = requests.post(f"{url}/v1/files", data=body(60), headers=send, timeout=60)

        assert large.json()["bytes"] == small.json()["bytes"] + 59 * len(lines)
        assert peak_bytes(pid) - before < 12 * MEBIBYTE


@on_sqlite
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="it reads /proc")
def test_the_memory_stays_flat_while_a_part_comes_in_and_a_file_is_made_of_it(api, tmp_path):
    with production(api, tmp_path) as (url, pid):
        send = {"authorization": f"Bearer {api.secret}"}

        def body(mebibytes):
            yield part("data", b"", "upload").removesuffix(b"\r\n")
            for _ in range(mebibytes):
                yield b"x" * MEBIBYTE
            yield b"\r\n" + END

        def completed(mebibytes):
            said = {"filename": "a", "mime_type": "b", "purpose": "user_data", "bytes": mebibytes * MEBIBYTE}
            made = requests.post(f"{url}/v1/uploads", json=said, headers=send, timeout=60)
            upload = f"{url}/v1/uploads/{made.json()['id']}"
            sent = requests.post(
                f"{upload}/parts", data=body(mebibytes), headers=send | MULTIPART, timeout=60
            )
            told = {
                "part_ids": [sent.json()["id"]],
                "md5": hashlib.md5(b"x" * mebibytes * MEBIBYTE).hexdigest(),
            }
            return requests.post(f"{upload}/complete", json=told, headers=send, timeout=60)

        assert completed(1).status_code == 200
        before = peak_bytes(pid)

        assert completed(60).json()["file"]["bytes"] == 60 * MEBIBYTE
        assert peak_bytes(pid) - before < 12 * MEBIBYTE


def test_importing_it_touches_nothing(tmp_path):
    folder = tmp_path / "data"
    settings = {"HEADRACE_DATABASE_URL": f"sqlite:///{folder / 'x.db'}", "HEADRACE_DATA_DIR": str(folder)}

    subprocess.run(
        [sys.executable, "-c", "import api; assert callable(api.app)"],
        cwd=ROOT,
        env={**os.environ, **settings, "HEADRACE_CONFIG": str(tmp_path / "nothere.toml")},
        check=True,
        timeout=DEADLINE_SECONDS,
    )

    assert list(tmp_path.iterdir()) == []
