"""`POST /v1/files`: streamed to disk whatever its size, or refused without a trace."""

import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import openai
import pytest
import requests
from sqlalchemy import text

from tests.api_server import DEADLINE_SECONDS, on_one_database, refusal, running_api, wait_until
from tests.servers import free_port

pytest_plugins = ["tests.databases", "tests.api_fixtures"]

LINES = b'{"custom_id": "a"}\n'
BOUNDARY = "the-boundary"
MULTIPART = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
MEBIBYTE = 1024 * 1024
ROOT = Path(__file__).parent.parent


def part(name, value, filename=None):
    """One part of a multipart body, by hand."""
    named = f'; filename="{filename}"' if filename else ""
    head = f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="{name}"{named}\r\n\r\n'
    return head.encode() + value + b"\r\n"


@contextmanager
def sending(api, *, content_length):
    """A connection on which an upload has begun: its head is sent, its body is the test's."""
    address = urlsplit(api.url)
    head = {"host": address.netloc, "authorization": f"Bearer {api.secret}", **MULTIPART}
    lines = [f"{name}: {value}" for name, value in {**head, "content-length": content_length}.items()]
    with socket.create_connection((address.hostname, address.port), timeout=DEADLINE_SECONDS) as sender:
        sender.sendall("\r\n".join(["POST /v1/files HTTP/1.1", *lines, "", ""]).encode())
        yield sender


@contextmanager
def table_away(store, name):
    """While it lasts, every statement on the table fails."""
    with store.db.begin() as session:
        session.execute(text(f"ALTER TABLE {name} RENAME TO away"))
    try:
        yield
    finally:
        with store.db.begin() as session:
            session.execute(text(f"ALTER TABLE away RENAME TO {name}"))


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


END = f"--{BOUNDARY}--\r\n".encode()
PURPOSE = part("purpose", b"batch")
FILE = part("file", LINES, "a.jsonl")


def test_the_parts_may_come_in_any_order(api):
    anchor = part("expires_after[anchor]", b"created_at")
    seconds = part("expires_after[seconds]", b"3600")

    response = api.call("POST", "/v1/files", data=FILE + seconds + anchor + PURPOSE + END, headers=MULTIPART)

    file = response.json()
    assert (file["filename"], file["purpose"], file["bytes"]) == ("a.jsonl", "batch", len(LINES))
    assert file["expires_at"] == file["created_at"] + 3600
    assert api.call("GET", f"/v1/files/{file['id']}/content").content == LINES


@on_one_database
def test_a_body_that_comes_byte_by_byte_is_read_all_the_same(api):
    content = b'{"text": "\\r\\n--the-boundar"}\r\n--the-boundary-not\r\n-'
    body = part("file", content, "a.jsonl") + PURPOSE + END

    response = api.call(
        "POST", "/v1/files", data=(body[at : at + 1] for at in range(len(body))), headers=MULTIPART
    )

    assert response.status_code == 200
    assert api.call("GET", f"/v1/files/{response.json()['id']}/content").content == content


def test_only_batch_files_expire_unless_asked_for(api):
    sdk = api.sdk()

    kept = sdk.files.create(file=("a.txt", b"anything"), purpose="user_data")
    asked = sdk.files.create(
        file=("a.txt", b"anything"),
        purpose="assistants",
        expires_after={"anchor": "created_at", "seconds": 7200},
    )

    assert kept.expires_at is None
    assert asked.expires_at == asked.created_at + 7200


@on_one_database
@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"purpose": "everything"}, "purpose", "invalid_value"),
        ({"purpose": "batch_output"}, "purpose", "invalid_value"),
        ({"purpose": ""}, "purpose", "invalid_value"),
        ({"purpose": "x" * 5000}, "purpose", None),
        ({"expires_after": "never"}, "expires_after", "invalid_type"),
        ({"expires_after[anchor]": "created_at"}, "expires_after.seconds", "missing_required_parameter"),
        ({"expires_after[seconds]": "3600"}, "expires_after.anchor", "missing_required_parameter"),
        (
            {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3599"},
            "expires_after.seconds",
            "integer_below_min_value",
        ),
        (
            {"expires_after[anchor]": "created_at", "expires_after[seconds]": "2592001"},
            "expires_after.seconds",
            "integer_above_max_value",
        ),
        (
            {"expires_after[anchor]": "created_at", "expires_after[seconds]": "long"},
            "expires_after.seconds",
            "invalid_type",
        ),
        (
            {"expires_after[anchor]": "last_active_at", "expires_after[seconds]": "3600"},
            "expires_after.anchor",
            "invalid_value",
        ),
    ],
)
def test_a_field_that_is_wrong_is_named_and_nothing_is_kept(api, fields, param, code):
    response = api.upload(LINES, **fields)

    assert response.status_code == 400
    error = refusal(response)
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)
    assert api.stored() == []


@on_one_database
@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("upload", LINES, "Must be .jsonl"),
        ("input.json", LINES, "Must be .jsonl"),
        ("input.jsonl", b"", "is empty"),
        ("input.jsonl", b"\n" + LINES, "first line is not valid JSON"),
        ("input.jsonl", b"custom_id,body\n1,2\n", "first line is not valid JSON"),
        ("input.jsonl", b'[\n{"custom_id": "a"}\n]\n', "first line is not valid JSON"),
        ("input.jsonl", b'{"n": NaN}\n', "first line is not valid JSON"),
        ("input.jsonl", b"\xff\xfe{\x00}\x00\n\x00", "first line is not valid JSON"),
        ("input.jsonl", b"\xef\xbb\xbf" + LINES, "byte order mark"),
    ],
)
def test_what_cannot_be_a_batch_input_is_refused_with_the_reason(api, name, content, words):
    response = api.upload(content, name=name)

    assert response.status_code == 400
    error = refusal(response)
    assert error["message"].startswith("Invalid file format for Batch API. Must be .jsonl")
    assert words in error["message"]
    assert (error["param"], error["code"]) == (None, None)
    assert api.stored() == []


def test_raw_bytes_of_the_sdk_have_no_name_and_are_refused(api):
    with pytest.raises(openai.BadRequestError, match=r"Must be \.jsonl"):
        api.sdk().files.create(file=LINES, purpose="batch")


def test_a_bad_later_line_is_not_the_uploads_business(api):
    assert api.upload(LINES + b"not json\n").json()["status"] == "processed"


@on_one_database
@pytest.mark.parametrize(
    ("body", "param"),
    [
        (FILE + END, "purpose"),
        (PURPOSE + END, "file"),
        (PURPOSE + part("file", LINES) + END, "file"),
        (PURPOSE + FILE + FILE + END, "file"),
        (PURPOSE + part("file", LINES, "a\0.jsonl") + END, "file"),
        (PURPOSE + FILE, None),
        (PURPOSE + FILE[:-10], None),
        (b"no boundary at all", None),
        (b"", None),
        (part("more", b"") * 20 + PURPOSE + FILE + END, None),
    ],
)
def test_a_multipart_body_that_is_not_whole_and_right_is_refused(api, body, param):
    response = api.call("POST", "/v1/files", data=body, headers=MULTIPART)

    assert response.status_code == 400
    assert refusal(response)["param"] == param
    assert api.stored() == []


@on_one_database
@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 415),
        ("application/octet-stream", 415),
        ("multipart/mixed; boundary=x", 415),
        ("multipart/form-data", 400),
        (f"multipart/form-data; boundary={'x' * 500}", 400),
    ],
)
def test_a_body_of_another_kind_is_refused(api, content_type, status):
    response = api.call(
        "POST", "/v1/files", data=PURPOSE + FILE + END, headers={"content-type": content_type}
    )

    assert response.status_code == status
    refusal(response)
    assert api.stored() == []


@on_one_database
def test_a_file_may_be_as_large_as_the_limit_and_not_a_byte_larger(store, redis_client_url, tmp_path):
    with running_api(store.db, redis_client_url, tmp_path, max_file_bytes=3 * MEBIBYTE) as api:
        filling = b" " * (3 * MEBIBYTE - len(LINES))
        assert api.upload(LINES + filling).status_code == 200
        before = api.stored()

        over = api.upload(LINES + filling + b" ")

        assert over.status_code == 413
        assert refusal(over)["param"] == "file"
        assert api.stored() == before


@on_one_database
def test_a_file_over_the_limit_is_refused_before_it_is_all_there(store, redis_client_url, tmp_path):
    with running_api(store.db, redis_client_url, tmp_path, max_file_bytes=MEBIBYTE) as api:
        with sending(api, content_length=10**12) as sender:
            sender.sendall(PURPOSE + part("file", b"x" * (2 * MEBIBYTE), "a.jsonl"))
            answer = sender.recv(65536)

        assert answer.startswith(b"HTTP/1.1 413 ")
        wait_until(lambda: api.stored() == [], "the refused file to go")


@on_one_database
def test_an_upload_that_is_cut_off_leaves_nothing(api):
    with sending(api, content_length=50 * MEBIBYTE) as sender:
        sender.sendall(PURPOSE + part("file", LINES + b"x" * (5 * MEBIBYTE), "a.jsonl"))
        wait_until(lambda: sum(path.stat().st_size for path in api.stored()) > MEBIBYTE, "bytes on disk")

    wait_until(lambda: api.stored() == [], "the half file to go")
    assert api.call("GET", "/v1/files").json()["data"] == []


def test_a_file_whose_row_cannot_be_written_is_not_kept(api, store):
    with sending(api, content_length=len(PURPOSE + FILE + END)) as sender:
        sender.sendall(PURPOSE + FILE)
        wait_until(api.stored, "the upload to begin")
        with table_away(store, "files"):
            sender.sendall(END)
            answer = sender.recv(65536)

    assert answer.startswith(b"HTTP/1.1 50")
    assert api.stored() == []


@on_one_database
def test_a_folder_that_cannot_be_written_is_no_fault_of_the_client(store, redis_client_url, tmp_path):
    with running_api(store.db, redis_client_url, tmp_path) as api:
        api.settings.files_dir.write_text("a file where the folder should be")

        response = api.upload(LINES)

    assert response.status_code == 503
    assert refusal(response)["type"] == "service_unavailable_error"


@on_one_database
def test_the_api_answers_others_while_a_large_file_comes_in(api):
    answered = 0
    with ThreadPoolExecutor() as background:
        upload = background.submit(api.upload, LINES + b"\r" * (30 * MEBIBYTE))
        while not upload.done():
            assert requests.get(f"{api.url}/healthz", timeout=1).ok
            answered += 1

    assert upload.result().status_code == 200
    assert answered > 3


@on_one_database
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

        small = requests.post(f"{url}/v1/files", data=body(1), headers=send, timeout=20)
        before = peak_bytes(pid)
        large = requests.post(f"{url}/v1/files", data=body(60), headers=send, timeout=20)

        assert large.json()["bytes"] == small.json()["bytes"] + 59 * len(lines)
        assert peak_bytes(pid) - before < 12 * MEBIBYTE
