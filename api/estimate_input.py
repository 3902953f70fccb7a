"""What `POST /v1/estimate` takes: a file that is there, or requests."""

import itertools
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.batch_request import file_id, served
from api.job_requests import read_each
from api.payloads import fitted
from headrace import files as stored
from headrace.bodies import Fault, KnowsModel
from headrace.config import Config
from headrace.db import Database
from headrace.errors import InvalidRequest, NotFound
from headrace.estimating import Asked, FaultAt
from headrace.exact_json import loads_rounded
from headrace.lines import Refused, check_line, duplicate
from headrace.settings import Settings
from headrace.store import files
from headrace.store.jobs import NewJob
from headrace.tags import TagSets

PIECE_BYTES = 1 << 20
WANTED = (
    "Send an object with 'input_file_id' and 'endpoint' of an uploaded file, or one with 'requests',"
    " or an array of requests."
)


class OfFile(BaseModel):
    """An uploaded file, as the input of a batch."""

    model_config = ConfigDict(extra="forbid")

    input_file_id: Annotated[str, Field(max_length=256), AfterValidator(file_id)]
    endpoint: Annotated[str, AfterValidator(served)]


class OfRequests(BaseModel):
    """Requests as `POST /v1/jobs` takes them."""

    model_config = ConfigDict(extra="forbid")

    requests: list[Any]


def requests_of(
    document: Any, api_key_id: str, database: Database, config: Config, settings: Settings
) -> Iterable[Asked | FaultAt]:
    """The requests of a body, read as they are asked for. Raises RequestError."""
    given = {"requests": document} if isinstance(document, list) else document

    def knows_model(model: str) -> bool:
        return config.route(model) is not None

    if isinstance(given, dict) and "requests" in given:
        requests = fitted(OfRequests, given).requests
        return [_asked(at, read) for at, read in enumerate(read_each(requests, knows_model, TagSets()), 1)]
    if not given or not isinstance(given, dict):
        raise InvalidRequest(WANTED, code="invalid_value")
    wanted = fitted(OfFile, given)
    with database.read() as session:
        file = files.find(session, api_key_id, wanted.input_file_id)
    if file is None:
        raise NotFound(f"No such File object: {wanted.input_file_id}", param="input_file_id")
    return _of_file(stored.path_of(settings.files_dir, file.id), wanted.endpoint, knows_model, settings)


def _asked(line: int, read: NewJob | Fault) -> Asked | FaultAt:
    if isinstance(read, Fault):
        return FaultAt(line, read)
    return Asked(line, read.endpoint, read.lane, loads_rounded(read.body))


def _of_file(
    path: Path, endpoint: str, knows_model: KnowsModel, settings: Settings
) -> Iterator[Asked | FaultAt]:
    """Line by line. Raises InvalidRequest at a line too many, and NotFound if the bytes are lost."""
    most = settings.max_body_bytes
    seen: set[str] = set()
    total = 0
    for number, raw in _lines(path, most):
        total += 1
        if total > settings.max_batch_lines:
            raise InvalidRequest(
                f"The file has more than {settings.max_batch_lines} lines, the most that a batch may have.",
                param="input_file_id",
                code="batch_request_limit_exceeded",
            )
        if raw is None:
            yield FaultAt(number, Fault("invalid_request", f"This line is longer than {most} bytes."))
            continue
        checked = check_line(raw, endpoint, knows_model)
        is_first = checked.custom_id not in seen
        if checked.custom_id is not None:
            seen.add(checked.custom_id)
        if isinstance(checked, Refused):
            yield FaultAt(number, checked.fault)
        elif not is_first:
            yield FaultAt(number, duplicate(checked.custom_id or ""))
        else:
            yield Asked(number, endpoint, checked.model, checked.body)


def _lines(path: Path, most_bytes: int) -> Iterator[tuple[int, bytes | None]]:
    """The lines that are not blank, numbered from 1; None for one that is too long."""
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise NotFound("The content of this File object is lost.", param="input_file_id") from error
    with file:
        if file.read(len(BOM_UTF8)) != BOM_UTF8:
            file.seek(0)
        for number in itertools.count(1):
            raw = file.readline(most_bytes + 1)
            if not raw:
                return
            whole = len(raw) <= most_bytes
            rest = raw
            while not whole and rest and not rest.endswith(b"\n"):
                rest = file.readline(PIECE_BYTES)
            if raw.strip():
                yield number, raw if whole else None
