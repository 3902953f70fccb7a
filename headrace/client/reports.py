"""Rows of the API's reports on usage and costs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class ReportRow:
    """What calls have in common (`group`), and the row's sums under the API's names."""

    id: str
    group: Mapping[str, int | str | None]
    sums: Mapping[str, Any]

    @classmethod
    def of(cls, shown: Mapping[str, Any]) -> Self:
        """From the API's object."""
        return cls(id=shown["id"], group=dict(shown["group"]), sums=shown)
