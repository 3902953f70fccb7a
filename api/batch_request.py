"""What makes a batch (contract 2.2). Whether its input is any good shows in the batch, not here."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from api.amounts import Usd
from api.batch_options import InvalidLines, OnAmbiguous, Options, Priority, Window, refuse_unknown, told_in
from api.file_object import ExpiresAfter
from api.payloads import fitted
from api.schemas import A_NAME, WHOLE
from headrace.bodies import ENDPOINTS, is_name
from headrace.clock import now
from headrace.errors import InvalidRequest
from headrace.ids import new_id
from headrace.models import Batch
from headrace.money import nanos
from headrace.windows import length_of

CONTRACT = ("input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after")
DAY = "24h"


def served(endpoint: str) -> str:
    """Pydantic's validator of an endpoint."""
    if endpoint not in ENDPOINTS:
        raise PydanticCustomError(
            "unserved", "supported values are {values}", {"values": ", ".join(ENDPOINTS)}
        )
    return endpoint


def file_id(value: str) -> str:
    """Pydantic's validator of a file's id."""
    if not is_name(value):
        raise PydanticCustomError("no_name", "it must be the id of a file")
    return value


class BatchRequest(BaseModel):
    """What a client says of a new batch."""

    model_config = ConfigDict(extra="forbid")

    input_file_id: Annotated[
        str,
        Field(max_length=256),
        AfterValidator(file_id),
        Field(json_schema_extra={**A_NAME, "maxLength": 256}),
    ]
    endpoint: Annotated[str, AfterValidator(served), Field(json_schema_extra={"enum": list(ENDPOINTS)})]
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
    budget_usd: Usd | None = None

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
            budget_nanos=nanos(self.budget_usd) if self.budget_usd is not None else None,
            output_seconds=self.output_expires_after.seconds if self.output_expires_after else None,
        )


def read_request(document: Any, *, strict: bool) -> BatchRequest:
    """The request in a body. Raises InvalidRequest. `strict`: nothing but what the contract has."""
    if isinstance(document, dict):
        refuse_unknown(document, CONTRACT if strict else tuple(BatchRequest.model_fields))
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
    return request.model_copy(update={**told_in(request.metadata or {}), **told})
