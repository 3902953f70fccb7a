"""What validation finds, over all lines of a batch's input, in memory that has a bound."""

from typing import Any

from headrace.bodies import Fault
from headrace.store.jobs import NewJob

MOST_FAULTS = 1000


class Review:
    """Takes in line after line until the input has too many."""

    def __init__(self, max_lines: int) -> None:
        self.total = 0
        self.models: set[str] = set()
        self._max_lines = max_lines
        self._custom_ids: set[str] = set()
        self._errors: list[dict[str, Any]] = []
        self._left_out = 0

    def is_full(self) -> bool:
        """Whether one more line is one too many."""
        return self.total >= self._max_lines

    def refuse_more(self) -> None:
        """There is one more: the input is not read to its end."""
        self.total += 1

    def add(self, number: int, parsed: NewJob | Fault) -> None:
        """Take in one line."""
        self.total += 1
        if isinstance(parsed, NewJob):
            self.models.add(parsed.lane)
            parsed = self._duplicate(parsed) or parsed
        if isinstance(parsed, NewJob):
            return
        if len(self._errors) < MOST_FAULTS:
            self._errors.append(parsed.as_error(number))
        else:
            self._left_out += 1

    def errors(self) -> list[dict[str, Any]]:
        """The entries of the batch's `errors`, in the order of the lines; none if it may run."""
        if not self.total:
            return [Fault("empty_file", "The input file has no lines.").as_error(None)]
        found = self._errors
        if self.total > self._max_lines:
            message = f"The input file has more than {self._max_lines} lines, the most that a batch may have."
            found = [Fault("batch_request_limit_exceeded", message).as_error(None), *found]
        if self._left_out:
            message = f"Lines with faults that are not listed here: {self._left_out}."
            found = [*found, Fault("invalid_request", message).as_error(None)]
        return found

    def _duplicate(self, job: NewJob) -> Fault | None:
        custom_id = job.custom_id or ""
        if custom_id in self._custom_ids:
            return Fault("duplicate_custom_id", f"The custom_id '{custom_id}' is used before.", "custom_id")
        self._custom_ids.add(custom_id)
        return None
