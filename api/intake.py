"""Bytes taken in: from the socket straight to the disk, as long as there is room on it."""

import errno
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import BinaryIO

from fastapi import Request
from fastapi.concurrency import contextmanager_in_threadpool, run_in_threadpool

from api.multipart import Form, boundary_of
from api.payloads import announced_bytes, chunks
from api.problems import NoRoom
from headrace.disk import is_short
from headrace.errors import Unavailable
from headrace.failpoints import failpoint
from headrace.files import writing
from headrace.settings import MEBIBYTE, Settings

PIECE_BYTES = MEBIBYTE
FULL = (errno.ENOSPC, errno.EDQUOT)


def form_of(request: Request, file: str, max_bytes: int) -> Form:
    """The multipart body that is to come, in which the part `file` may have so many bytes.

    Raises RequestError when the head of the request shows that it is something else, or too large.
    """
    form = Form(boundary_of(request.headers.get("content-type", "")), file, max_bytes)
    form.check_length(announced_bytes(request))
    return form


@asynccontextmanager
async def receiving(
    request: Request, form: Form, settings: Settings, file_id: str
) -> AsyncIterator[BinaryIO]:
    """The whole body through `form`, and its file's bytes into a file that keeps them if the block ends well.

    Raises RequestError for a body that is not right, and what `storing` raises.
    """
    with storing():
        await run_in_threadpool(check_room, settings, announced_bytes(request))
        async with contextmanager_in_threadpool(writing(settings.files_dir, file_id)) as out:
            await _receive(request, form, out, settings)
            yield out


@contextmanager
def storing() -> Iterator[None]:
    """Raises NoRoom for a disk that is full, and Unavailable where it fails in another way."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise NoRoom from error
        raise Unavailable(f"a file could not be stored: {error}") from error


def check_room(settings: Settings, coming_bytes: int) -> None:
    """Raises NoRoom when less would be left than what the answers of calls under way need."""
    if is_short(settings.files_dir, settings.min_free_bytes + coming_bytes):
        raise NoRoom


async def _receive(request: Request, form: Form, out: BinaryIO, settings: Settings) -> None:
    """Reads the body to its end. The disk is written to in large pieces, away from the event loop."""
    async for chunk in chunks(request):
        form.feed(chunk)
        failpoint("upload")
        if len(form.waiting) >= PIECE_BYTES:
            await run_in_threadpool(check_room, settings, len(form.waiting))
            await run_in_threadpool(out.write, form.take())
    form.close()
    await run_in_threadpool(out.write, form.take())
