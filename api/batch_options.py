"""How a batch is to be run, beyond the contract: fields of ours, which metadata may say as well."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from api.amounts import Usd
from api.problems import invalid
from headrace.errors import InvalidRequest
from headrace.windows import PATTERN, RULE, is_window

PREFIX = "headrace."  # of metadata that says what a field could
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,9}")
SHOWN_CHARACTERS = 64


def _window(value: str) -> str:
    if not is_window(value):
        raise PydanticCustomError("no_window", RULE)
    return value


def _number(value: Any) -> int:
    if not WHOLE_NUMBER.fullmatch(value):
        raise PydanticCustomError("no_number", "it must be a whole number from -100 to 100")
    return int(value)


Window = Annotated[str, AfterValidator(_window), Field(json_schema_extra={"pattern": PATTERN})]
Priority = Annotated[int, Field(ge=-100, le=100)]
InvalidLines = Literal["fail", "skip"]
OnAmbiguous = Literal["retry", "hold"]


class Options(BaseModel):
    """As far as somebody said so."""

    model_config = ConfigDict(extra="forbid")

    completion_window: Window | None = None
    priority: Annotated[Priority, BeforeValidator(_number)] | None = None
    invalid_lines: InvalidLines | None = None
    on_ambiguous: OnAmbiguous | None = None
    budget_usd: Usd | None = None


def told_in(metadata: dict[str, str]) -> dict[str, Any]:
    """The options that metadata names. Raises InvalidRequest."""
    told = {key.removeprefix(PREFIX): value for key, value in metadata.items() if key.startswith(PREFIX)}
    refuse_unknown(told, tuple(Options.model_fields), f"metadata.{PREFIX}")
    try:
        return Options.model_validate(told).model_dump(exclude_none=True)
    except ValidationError as error:
        first = error.errors()[0]
        raise invalid([{**first, "loc": ("metadata", f"{PREFIX}{first['loc'][0]}")}]) from error


def refuse_unknown(given: dict[str, Any], known: tuple[str, ...], where: str = "") -> None:
    """Refuse names that are not known; `where` they stand is their beginning. Raises InvalidRequest."""
    for name in given:
        if name not in known:
            shown = f"{where}{name[:SHOWN_CHARACTERS]}"
            names = ", ".join(f"{where}{one}" for one in known)
            raise InvalidRequest(
                f"Unknown parameter: '{shown}'. Known are: {names}.", param=shown, code="unknown_parameter"
            )
