"""The content of a file in every form in which the SDK hands it out."""

import hashlib
import random

import pytest

TEXT = '{"a": "轮子"}\n{"b": "\u2028"}\n'
MEBIBYTE = 1024 * 1024
LARGE = random.Random(0).randbytes(5 * MEBIBYTE + 17)


@pytest.fixture
def small(sdk, client):
    return sdk.run(client.files.create(file=("a.jsonl", TEXT.encode()), purpose="batch")).id


@pytest.fixture
def large(sdk, client):
    return sdk.run(client.files.create(file=("a.bin", LARGE), purpose="user_data")).id


def test_the_content_is_text_and_bytes(sdk, client, small):
    content = sdk.run(client.files.content(small))

    assert content.text == TEXT
    assert content.content == content.read() == TEXT.encode()


def test_the_content_comes_in_chunks_and_lines(sdk, client, small):
    content = sdk.run(client.files.content(small))

    assert b"".join(content.iter_bytes(5)) == TEXT.encode()
    assert max(map(len, content.iter_bytes(5))) == 5
    assert "".join(content.iter_text()) == TEXT
    assert list(content.iter_lines()) == TEXT.splitlines()


def test_the_content_can_be_written_to_a_file(sdk, client, large, tmp_path):
    path = tmp_path / "copy.bin"

    sdk.run(client.files.content(large)).write_to_file(path)

    assert path.read_bytes() == LARGE


def test_a_large_content_is_streamed_in_chunks(sdk, client, large):
    digest, sizes = hashlib.sha256(), []
    with sdk.opened(client.files.with_streaming_response.content(large)) as response:
        assert response.headers["content-length"] == str(len(LARGE))
        for chunk in sdk.all(response.iter_bytes(64 * 1024)):
            digest.update(chunk)
            sizes.append(len(chunk))

    assert digest.digest() == hashlib.sha256(LARGE).digest()
    assert max(sizes) == 64 * 1024


def test_a_large_content_is_streamed_to_a_file(sdk, client, large, tmp_path):
    path = tmp_path / "copy.bin"
    with sdk.opened(client.files.with_streaming_response.content(large)) as response:
        sdk.run(response.stream_to_file(path))

    assert path.read_bytes() == LARGE


def test_a_streamed_content_can_be_read_in_lines_and_at_once(sdk, client, small):
    streaming = client.files.with_streaming_response
    with sdk.opened(streaming.content(small)) as response:
        assert sdk.all(response.iter_lines()) == TEXT.splitlines()
    with sdk.opened(streaming.content(small)) as response:
        assert sdk.run(response.read()) == TEXT.encode()


def test_a_stream_that_is_left_early_harms_nobody(sdk, client, large):
    with sdk.opened(client.files.with_streaming_response.content(large)) as response:
        assert response.status_code == 200

    assert sdk.run(client.files.content(large)).read() == LARGE


def test_a_range_of_the_content_can_be_asked_for(sdk, client, large):
    part = sdk.run(client.files.content(large, extra_headers={"Range": f"bytes={MEBIBYTE}-{MEBIBYTE + 9}"}))

    assert part.read() == LARGE[MEBIBYTE : MEBIBYTE + 10]
    assert part.response.status_code == 206


def test_the_raw_response_of_a_content_has_its_headers(sdk, client, small):
    raw = sdk.run(client.files.with_raw_response.content(small))

    assert raw.headers["content-type"] == "application/jsonl"
    assert raw.request_id.startswith("req_")
    assert raw.content == TEXT.encode()


def test_the_content_comes_by_its_old_name_as_well(sdk, client, small):
    with pytest.warns(DeprecationWarning, match="content"):
        assert sdk.run(client.files.retrieve_content(small)) == TEXT
