"""A multipart body taken in as it arrives (RFC 7578): small fields kept, the bytes of one part handed on."""

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from api.problems import UnsupportedMediaType
from headrace.bodies import is_name
from headrace.errors import InvalidRequest, TooLarge

MAX_PARTS = 16
MAX_FIELD_BYTES = 1024
MAX_OVERHEAD_BYTES = 64 * 1024


def boundary_of(content_type: str) -> bytes:
    """What separates the parts. Raises RequestError unless the content type is multipart/form-data."""
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        raise UnsupportedMediaType("The body must be multipart/form-data.")
    if not options.get(b"boundary"):
        raise InvalidRequest("The content type multipart/form-data has no boundary.")
    return options[b"boundary"]


class Form:
    """Takes the body in by pieces, and raises InvalidRequest or TooLarge as soon as it can know.

    The part `file` is sent as a file: of it we have the `filename` (None: it did not come) and the `size`;
    `waiting` are its bytes that nobody took yet. `fields` are the other parts, which are text.
    """

    def __init__(self, boundary: bytes, file: str, max_file_bytes: int) -> None:
        self.fields: dict[str, str] = {}
        self.filename: str | None = None
        self.size = 0
        self.waiting = bytearray()
        self._file = file
        self._max_file_bytes = max_file_bytes
        self._fed = 0
        self._parts = 0
        self._ended = False
        self._name = ""
        self._text = bytearray()
        self._header = bytearray()
        self._value = bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._parser = self._make_parser(boundary)

    def feed(self, data: bytes) -> None:
        """The next bytes of the body."""
        self._fed += len(data)
        self.check_length(self._fed)
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise InvalidRequest(f"The multipart body is malformed: {error}.") from error

    def check_length(self, body_bytes: int) -> None:
        """Raises TooLarge when so long a body cannot be that of a file we take."""
        if body_bytes > self._max_file_bytes + MAX_OVERHEAD_BYTES:
            raise self._too_large()

    def take(self) -> bytearray:
        """The file's bytes that came since the last time."""
        taken, self.waiting = self.waiting, bytearray()
        return taken

    def close(self) -> None:
        """The body is over: it must have had its last boundary."""
        if not self._ended:
            raise InvalidRequest("The multipart body ends before its last boundary.")

    def _make_parser(self, boundary: bytes) -> MultipartParser:
        try:
            return MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": self._add_header,
                    "on_header_value": self._add_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._add_data,
                    "on_part_end": self._end_part,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise InvalidRequest(f"The boundary of the multipart body is unusable: {error}.") from error

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise InvalidRequest(f"The multipart body has more than {MAX_PARTS} parts.")
        self._headers = {}
        self._text = bytearray()

    def _add_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[bytes(self._header).lower()] = bytes(self._value)
        self._header, self._value = bytearray(), bytearray()

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if self._name == self._file:
            self._begin_file(options.get(b"filename", b"").decode("utf-8", "replace"))

    def _begin_file(self, filename: str) -> None:
        if self.filename is not None:
            raise InvalidRequest(f"The part '{self._file}' is there twice.", param=self._file)
        if not is_name(filename):
            message = f"The part '{self._file}' has no filename: send it as a file."
            raise InvalidRequest(message, param=self._file)
        self.filename = filename

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if self._name == self._file:
            self.size += end - start
            if self.size > self._max_file_bytes:
                raise self._too_large()
            self.waiting += memoryview(data)[start:end]
            return
        self._text += data[start:end]
        if len(self._text) > MAX_FIELD_BYTES:
            raise InvalidRequest(f"A field is longer than {MAX_FIELD_BYTES} bytes.", param=self._name)

    def _end_part(self) -> None:
        if self._name != self._file:
            self.fields[self._name] = self._text.decode("utf-8", "replace")

    def _end(self) -> None:
        self._ended = True

    def _too_large(self) -> TooLarge:
        message = f"The part '{self._file}' is larger than {self._max_file_bytes} bytes."
        return TooLarge(message, param=self._file)
