"""What makes a batch (contract 2.2), what we add to that, and where a client may say it."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from api.file_object import ExpiresAfter
from api.payloads import fitted
from api.problems import invalid
from api.schemas import A_NAME, WHOLE
from headrace.bodies import ENDPOINTS, is_name
from headrace.clock import now
from headrace.errors import InvalidRequest
from headrace.ids import new_id
from headrace.models import Batch
from headrace.windows import PATTERN, RULE, is_window, length_of

CONTRACT = ("input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after")
PREFIX = "headrace."  # of metadata that says what a field could
DAY = "24h"
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,9}")
SHOWN_CHARACTERS = 64


def _served(endpoint: str) -> str:
    if endpoint not in ENDPOINTS:
        raise PydanticCustomError(
            "unserved", "supported values are {values}", {"values": ", ".join(ENDPOINTS)}
        )
    return endpoint


def _file_id(value: str) -> str:
    if not is_name(value):
        raise PydanticCustomError("no_name", "it must be the id of a file")
    return value


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
    """How a batch is to be run, beyond the contract: as far as somebody said so."""

    model_config = ConfigDict(extra="forbid")

    completion_window: Window | None = None
    priority: Annotated[Priority, BeforeValidator(_number)] | None = None
    invalid_lines: InvalidLines | None = None
    on_ambiguous: OnAmbiguous | None = None


class BatchRequest(BaseModel):
    """What makes a batch (contract 2.2). Whether the input file is any good shows in the batch, not here."""

    model_config = ConfigDict(extra="forbid")

    input_file_id: Annotated[
        str,
        Field(max_length=256),
        AfterValidator(_file_id),
        Field(json_schema_extra={**A_NAME, "maxLength": 256}),
    ]
    endpoint: Annotated[str, AfterValidator(_served), Field(json_schema_extra={"enum": list(ENDPOINTS)})]
    completion_window: Window
    metadata: (
        Annotated[
            dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
            Field(max_length=16),
        ]
        | None
    ) = None
    output_expires_after: ExpiresAfter | None = None
    priority: Annotated[Priority, Field(strict=True), WHOLE] | None = None
    invalid_lines: InvalidLines | None = None
    on_ambiguous: OnAmbiguous | None = None

    def row(self, api_key_id: str) -> Batch:
        """The new batch."""
        created_at = now()
        return Batch(
            id=new_id("batch_"),
            api_key_id=api_key_id,
            endpoint=self.endpoint,
            input_file_id=self.input_file_id,
            completion_window=self.completion_window,
            details=self.metadata,
            created_at=created_at,
            expires_at=created_at + length_of(self.completion_window),
            hold_ambiguous=self.on_ambiguous == "hold",
            priority=self.priority or 0,
            skip_invalid=self.invalid_lines == "skip",
            output_seconds=self.output_expires_after.seconds if self.output_expires_after else None,
        )


def read_request(document: Any, *, strict: bool) -> BatchRequest:
    """The request in a body. Raises InvalidRequest. `strict`: nothing but what the contract has."""
    if isinstance(document, dict):
        _refuse_unknown(document, CONTRACT if strict else tuple(BatchRequest.model_fields))
    request = fitted(BatchRequest, document)
    if not strict:
        return _with_metadata(request)
    if request.completion_window != DAY:
        raise InvalidRequest(
            f"Invalid 'completion_window': the supported value is '{DAY}'.",
            param="completion_window",
            code="invalid_value",
        )
    return request


def _with_metadata(request: BatchRequest) -> BatchRequest:
    """What metadata says goes where no field says it; `24h` says nothing, since that field must be there."""
    fields = request.model_dump(include=set(Options.model_fields), exclude_none=True)
    told = {name: value for name, value in fields.items() if value != DAY}
    return request.model_copy(update={**_told_in(request.metadata or {}), **told})


def _told_in(metadata: dict[str, str]) -> dict[str, Any]:
    told = {key.removeprefix(PREFIX): value for key, value in metadata.items() if key.startswith(PREFIX)}
    _refuse_unknown(told, tuple(Options.model_fields), f"metadata.{PREFIX}")
    try:
        return Options.model_validate(told).model_dump(exclude_none=True)
    except ValidationError as error:
        first = error.errors()[0]
        raise invalid([{**first, "loc": ("metadata", f"{PREFIX}{first['loc'][0]}")}]) from error


def _refuse_unknown(given: dict[str, Any], known: tuple[str, ...], where: str = "") -> None:
    for name in given:
        if name not in known:
            shown = f"{where}{name[:SHOWN_CHARACTERS]}"
            names = ", ".join(f"{where}{one}" for one in known)
            raise InvalidRequest(
                f"Unknown parameter: '{shown}'. Known are: {names}.", param=shown, code="unknown_parameter"
            )
