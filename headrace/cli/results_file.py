"""The file with all results: written aside, in the order of the input, and renamed when whole."""

import os
import tempfile
from array import array
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self

from headrace.cli.conversion import Input
from headrace.cli.outcomes import Outcomes
from headrace.errors import ConfigurationError, HeadraceError

MISSING = -1


class ResultsFile:
    """Opened before anything is paid for, so that a folder that cannot be written costs nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.is_dir():
            raise ConfigurationError(f"cannot write {path}: it is a folder")
        self._part = path.with_name(f".{path.name}.{os.getpid()}.part")

    def __enter__(self) -> Self:
        try:
            self._out = self._part.open("xb")
        except OSError as error:
            raise ConfigurationError(f"cannot write {self.path}: {error.strerror}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._out.close()
        self._part.unlink(missing_ok=True)

    def fill(self, pages: Iterable[list[bytes]], made: Input) -> Outcomes:
        """Put the results into the order of their requests, and the file into its place."""
        outcomes = Outcomes()
        begins = array("q", [MISSING]) * made.total
        with tempfile.TemporaryFile(dir=self.path.parent) as came:
            for line in chain.from_iterable(pages):
                named = outcomes.add(line)
                begins[made.places[named] if isinstance(named, str) else named - 1] = came.tell()
                came.write(line + b"\n")
            if MISSING in begins:
                raise HeadraceError(f"{begins.count(MISSING)} of {made.total} results are missing")
            for begin in begins:
                came.seek(begin)
                self._out.write(came.readline())
        self._out.flush()
        os.fsync(self._out.fileno())
        self._part.rename(self.path)
        return outcomes
