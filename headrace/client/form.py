"""A multipart body with one file (contract 1.2), never in memory as a whole."""

import os
from collections.abc import Iterator
from typing import BinaryIO

CHUNK_BYTES = 64 * 1024
ESCAPED = {ord('"'): "%22", ord("\r"): "%0D", ord("\n"): "%0A"}  # as browsers do


class FileForm:
    """A form that uploads `file` for batches, under `name`. It can be sent once."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        boundary = os.urandom(16).hex()
        part = f'--{boundary}\r\nContent-Disposition: form-data; name="'
        head = f'{part}purpose"\r\n\r\nbatch\r\n{part}file"; filename="{name.translate(ESCAPED)}"\r\n\r\n'
        self.headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        self._file = file
        self._head, self._foot = head.encode(), f"\r\n--{boundary}--\r\n".encode()

    def __len__(self) -> int:
        return len(self._head) + os.fstat(self._file.fileno()).st_size + len(self._foot)

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        while chunk := self._file.read(CHUNK_BYTES):
            yield chunk
        yield self._foot
