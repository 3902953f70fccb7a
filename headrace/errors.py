"""The error tree, split by what the caller must do next.

HeadraceError
├── RequestError             the client must change the request; rendered as the OpenAI error envelope
│   ├── InvalidRequest       400
│   ├── Unauthorized         401
│   ├── NotFound             404
│   ├── Conflict             409
│   └── TooLarge             413
├── ConfigurationError       the operator must change a setting or a file
└── Unavailable              a part is away (database, Redis): try again later; 503 in the API
"""


class HeadraceError(Exception):
    """The root: everything that headrace raises on purpose."""


class RequestError(HeadraceError):
    """A refused request. `param` and `code` are those of the OpenAI error envelope (contract 4.8)."""

    status = 400

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code


class InvalidRequest(RequestError):
    """The request is malformed or asks for something that cannot be."""


class Unauthorized(RequestError):
    """No key, or one that we do not know."""

    status = 401


class NotFound(RequestError):
    """No such object for this key."""

    status = 404


class Conflict(RequestError):
    """The object's state does not allow it, and repeating the request will not help."""

    status = 409


class TooLarge(RequestError):
    """More bytes or items than we accept."""

    status = 413


class ConfigurationError(HeadraceError):
    """A setting or a configuration file is wrong; the message names it and says what to do."""


class Unavailable(HeadraceError):
    """A part that we need does not answer now."""
