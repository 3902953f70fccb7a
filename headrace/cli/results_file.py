"""The file with all results: written aside, in the order of the input, and renamed when whole."""

import os
import tempfile
from array import array
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from headrace.cli.conversion import Input
from headrace.cli.outcomes import Outcomes
from headrace.errors import ConfigurationError, HeadraceError


class ResultsFile:
    """Opened before anything is paid for, so that a folder that cannot be written costs nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
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
        begins = array("q", [-1]) * made.total
        with tempfile.TemporaryFile(dir=self.path.parent) as came:
            for page in pages:
                for line in page:
                    begins[made.places[outcomes.add(line)]] = came.tell()
                    came.write(line + b"\n")
            ...
        return outcomes
