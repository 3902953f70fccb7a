"""The contract's own sizes (2.6): 200 MiB a file, 50,000 lines a batch, with the settings as they come."""

import json

import pytest

from headrace.files import path_of
from headrace.settings import MEBIBYTE, Settings
from headrace.states import BatchStatus
from tests.api_server import refusal
from tests.batch_input import INPUT, given, ingesting, many
from tests.kinds import on_sqlite
from tests.multipart_bodies import END, LINES, MULTIPART, PURPOSE, part

pytest_plugins = ["tests.databases", "tests.api_fixtures", "tests.hints"]
pytestmark = [pytest.mark.slow, on_sqlite]


def form_with(size):
    """A form whose file has so many bytes; its length is not told beforehand."""
    yield PURPOSE + part("file", LINES, "input.jsonl").removesuffix(b"\r\n")
    left = size - len(LINES)
    while left:
        piece = min(left, MEBIBYTE)
        yield b"\n" * piece
        left -= piece
    yield b"\r\n" + END


def test_a_file_of_200_mebibytes_is_taken_and_one_of_a_byte_more_is_not(api):
    whole = api.call("POST", "/v1/files", data=form_with(200 * MEBIBYTE), headers=MULTIPART)
    assert whole.json()["bytes"] == 200 * MEBIBYTE

    too_large = api.call("POST", "/v1/files", data=form_with(200 * MEBIBYTE + 1), headers=MULTIPART)

    assert too_large.status_code == 413
    assert refusal(too_large)["param"] == "file"
    assert [path.name for path in api.stored()] == [whole.json()["id"]]


@pytest.mark.usefixtures("hints")
@pytest.mark.parametrize(
    ("count", "status", "ingested", "codes"),
    [
        (50_000, BatchStatus.IN_PROGRESS, 50_000, []),
        (50_001, BatchStatus.FAILED, 0, ["batch_request_limit_exceeded"]),
    ],
)
def test_a_batch_of_50000_lines_runs_and_one_of_a_line_more_fails(
    store, tmp_path, redis_client_url, count, status, ingested, codes
):
    settings = Settings(data_dir=tmp_path, redis_url=redis_client_url)
    batch_id = given(store, settings, b"")
    with path_of(settings.files_dir, INPUT).open("w") as file:
        file.writelines(json.dumps(line) + "\n" for line in many(count))

    ingesting(store, settings, batch_id).run()

    batch = store.batch_row(batch_id)
    assert (batch.status, batch.ingested) == (status, ingested)
    assert [error["code"] for error in batch.errors or []] == codes
