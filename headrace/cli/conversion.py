"""An input, line by line, made a file of batch lines; or every fault in it."""

import hashlib
import itertools
from array import array
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from headrace.bodies import ENDPOINTS, Fault, KnowsModel, is_name
from headrace.cli.forms import CHAT, Request, from_json, from_text, own_id
from headrace.errors import HeadraceError
from headrace.exact_json import dumps, loads_rounded
from headrace.lines import FIELDS, check_request

TEXT_SUFFIX = ".txt"
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
SHOWN_FAULTS = 20
KEPT_FAULTS = 100
GENERATED = "line-"
SENT_BYTES = 200  # of a line that is no JSON object


class BadInput(HeadraceError):
    """The input cannot be run. The message has a line `FILE:LINE: what is wrong` for each fault."""


class Source(NamedTuple):
    """An input that can be read twice, and its name as the user knows it."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Rules:
    """What requests must obey besides being well-formed. `model` is for those that name none.

    `skip`: lines with faults are sent as they came, and the others run.
    """

    model: str | None
    knows_model: KnowsModel
    max_line_bytes: int
    skip: bool = False


@dataclass(slots=True)
class Input:
    """Requests to be run, as a file of batch lines for one endpoint, and where each came from.

    `faults`: lines `FILE:LINE: what is wrong` for those that are in it and will not run.
    """

    name: str
    path: Path
    endpoint: str = ""
    sha256: str = ""
    line_numbers: "array[int]" = field(default_factory=lambda: array("L"))  # of each, in the user's input
    places: dict[str, int] = field(default_factory=dict)  # custom_id -> 0-based place in the file
    faults: list[str] = field(default_factory=list)
    refused: dict[int, Fault] = field(default_factory=dict)  # the first of them, by line of the user's input

    @property
    def total(self) -> int:
        """How many requests there are."""
        return len(self.line_numbers)


class _Line(NamedTuple):
    """A line that is not blank: its 1-based number, and its bytes; None if there are too many."""

    number: int
    raw: bytes | None


class Conversion:
    """One reading of one source. Only ids stay in memory."""

    def __init__(self, source: Source, target: Path, rules: Rules) -> None:
        self._source = source
        self._rules = rules
        self._made = Input(source.name, target)
        self._given_ids: set[str] = set()
        self._faults: list[str] = []
        self._faults_not_shown = 0

    def run(self) -> Input:
        """Write the target. Raises BadInput with every fault."""
        parse = from_text if self._is_text() else from_json
        if parse is from_json:
            self._given_ids = self._ids_like_ours()
        digest = hashlib.sha256()
        with self._made.path.open("wb") as out:
            for line in self._lines():
                converted = self._convert(line, parse)
                if isinstance(converted, Fault):
                    self._note(line.number, converted)
                    converted = self._as_it_came(line)
                out.write(converted)
                digest.update(converted)
        self._made.sha256 = digest.hexdigest()
        self._made.endpoint = self._made.endpoint or CHAT
        self._tell_faults()
        return self._made

    def _convert(self, line: _Line, parse: Callable[[bytes, str], Request | Fault]) -> bytes | Fault:
        if line.raw is None:
            return _fault(f"the line is longer than {self._rules.max_line_bytes} bytes")
        request = parse(line.raw, self._new_id(line.number))
        if isinstance(request, Fault):
            return request
        fault = self._model_missing(request) or self._fault_of(request, line.number)
        if fault:
            return fault
        self._made.endpoint = request["url"]
        self._made.places[request["custom_id"]] = self._made.total
        self._made.line_numbers.append(line.number)
        wire = {name: request[name] for name in FIELDS}
        return dumps(wire).encode() + b"\n"

    def _as_it_came(self, line: _Line) -> bytes:
        """A line that will be refused: a JSON object as it is, of anything else the beginning as a string."""
        self._made.line_numbers.append(line.number)
        raw = (line.raw or b"").strip()
        if _object_in(raw) is not None:
            return raw + b"\n"
        return dumps(raw[:SENT_BYTES].decode(errors="replace")).encode() + b"\n"

    def _model_missing(self, request: Request) -> Fault | None:
        """Fills in the model, if there is one to fill in."""
        body = request.get("body")
        if isinstance(body, dict) and body.get("model") in (None, ""):
            if self._rules.model is None:
                return _fault("there is no 'model': write one into the line, or give --model")
            body["model"] = self._rules.model
        return None

    def _fault_of(self, request: Request, number: int) -> Fault | None:
        endpoint, url = self._made.endpoint, request.get("url")
        if endpoint and url in ENDPOINTS and url != endpoint:
            return _fault(f"'url' is {url}, and {endpoint} before: an input is for one endpoint")
        checked = check_request(request, number, ENDPOINTS, self._rules.knows_model)
        if isinstance(checked, Fault):
            return checked
        before = self._made.places.get(request["custom_id"])
        if before is None:
            return None
        return _fault(f"'custom_id' is that of line {self._made.line_numbers[before]} too")

    def _new_id(self, number: int) -> str:
        made, again = f"{GENERATED}{number}", 2
        while made in self._given_ids:
            made, again = f"{GENERATED}{number}-{again}", again + 1
        return made

    def _ids_like_ours(self) -> set[str]:
        """Ids in the input that one of ours might collide with."""
        alike = (line.raw for line in self._lines() if line.raw and GENERATED.encode() in line.raw)
        return {found for raw in alike if is_name(found := _id_in(raw)) and found.startswith(GENERATED)}

    def _is_text(self) -> bool:
        """By the file's name, else by how its first line begins."""
        suffix = Path(self._source.name).suffix.lower()
        if suffix in (TEXT_SUFFIX, *JSON_SUFFIXES):
            return suffix == TEXT_SUFFIX
        first = next(self._lines(), None)
        return first is not None and not (first.raw or b"").lstrip().startswith(b"{")

    def _lines(self) -> Iterator[_Line]:
        with self._source.path.open("rb") as file:
            if file.read(len(BOM_UTF8)) != BOM_UTF8:
                file.seek(0)
            limit = self._rules.max_line_bytes
            for number in itertools.count(1):
                raw = file.readline(limit + 1)
                if not raw:
                    return
                whole = len(raw) <= limit
                while raw and not raw.endswith(b"\n") and not whole:
                    raw = file.readline(limit)
                if raw.strip() or not whole:
                    yield _Line(number, raw if whole else None)

    def _note(self, number: int, fault: Fault) -> None:
        if len(self._made.refused) < KEPT_FAULTS:
            self._made.refused[number] = fault
        if len(self._faults) < SHOWN_FAULTS:
            self._faults.append(f"{self._source.name}:{number}: {fault.message}")
        else:
            self._faults_not_shown += 1

    def _tell_faults(self) -> None:
        if self._faults_not_shown:
            self._faults.append(f"{self._source.name}: and {self._faults_not_shown} more")
        if self._faults and not self._rules.skip:
            raise BadInput("\n".join(self._faults))
        if not self._made.total:
            raise BadInput(f"{self._source.name}: there is nothing to run in it")
        self._made.faults = self._faults


def _id_in(raw: bytes) -> Any:
    return own_id(_object_in(raw) or {})


def _object_in(raw: bytes) -> dict[str, Any] | None:
    try:
        document = loads_rounded(raw)
    except ValueError:
        return None  # the conversion proper says so
    return document if isinstance(document, dict) else None


def _fault(message: str) -> Fault:
    return Fault("invalid_request", message)
