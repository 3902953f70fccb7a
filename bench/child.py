"""A program of the bench as a child process that is told things on its standard input."""

import subprocess
import sys
from types import TracebackType
from typing import IO, Self


class Child:
    """`python -m MODULE ARGUMENTS`, for as long as the `with` lasts."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._command = [sys.executable, "-m", module, *arguments]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        # It ends with its standard input, and so with us, too. Ctrl-C is for us alone.
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process
        self._process.kill()
        with self._process:  # closes its pipes and waits for it
            pass

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process
        return self._process.pid

    def tell(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self._process
        pipe = _open(self._process.stdin)
        pipe.write(f"{line}\n".encode())
        pipe.flush()

    def hear(self) -> str:
        """The next line of its standard output. Raises RuntimeError if it ended instead."""
        assert self._process
        told = _open(self._process.stdout).readline()
        if not told:
            self.__exit__(None, None, None)
            raise RuntimeError(f"`{' '.join(self._command[1:])}` ended")
        return told.decode().strip()


def _open(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe
    return pipe
