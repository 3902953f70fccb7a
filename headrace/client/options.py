"""How a batch is to be run, as the API takes it."""

from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """The defaults are the API's own. `completion_window` is such as `90m`, `24h` or `7d`."""

    completion_window: str = "24h"
    priority: int = 0
    invalid_lines: str = "fail"
    on_ambiguous: str = "retry"
    budget_usd: str | None = None

    def as_fields(self) -> dict[str, str | int]:
        """Those of a new batch: nothing that says the same as nothing, since a strict API refuses it."""
        told = asdict(self)
        usual = {field.name: field.default for field in fields(self)}
        return {name: told[name] for name in told if name == "completion_window" or told[name] != usual[name]}


USUAL = BatchOptions()
