"""What validation finds, over all lines of a batch's input, in memory that has a bound."""

from typing import Any

from headrace.bodies import Fault
from headrace.lines import Refused, Request

MOST_FAULTS = 1000


class Review:
    """Takes in line after line until the input has too many."""

    def __init__(self, max_lines: int) -> None:
        self.total = 0
        self._max_lines = max_lines
        self._models: set[str] = set()
        self._errors: list[dict[str, Any]] = []
        self._left_out = 0

    def is_full(self) -> bool:
        """Whether one more line is one too many."""
        return self.total >= self._max_lines

    def refuse_more(self) -> None:
        """There is one more: the input is not read to its end."""
        self.total += 1

    def add(self, number: int, checked: Request | Refused) -> None:
        """Take in one line."""
        self.total += 1
        if isinstance(checked, Request):
            if len(self._models) < 2:
                self._models.add(checked.model)
        elif len(self._errors) < MOST_FAULTS:
            self._errors.append(checked.fault.as_error(number))
        else:
            self._left_out += 1

    @property
    def model(self) -> str | None:
        """That of all good lines, if they have one in common."""
        return next(iter(self._models)) if len(self._models) == 1 else None

    def errors(self) -> list[dict[str, Any]]:
        """The entries of the batch's `errors`, in the order of the lines; none if all may run."""
        if not self.total:
            return self.fatal()
        found = [*self.fatal(), *self._errors]
        if self._left_out:
            message = f"Lines with faults that are not listed here: {self._left_out}."
            found.append(Fault("invalid_request", message).as_error(None))
        return found

    def fatal(self) -> list[dict[str, Any]]:
        """Those of them that are no line's: with these nothing can run, whatever the batch says."""
        if not self.total:
            return [Fault("empty_file", "The input file has no lines.").as_error(None)]
        if self.total > self._max_lines:
            message = f"The input file has more than {self._max_lines} lines, the most that a batch may have."
            return [Fault("batch_request_limit_exceeded", message).as_error(None)]
        return []
