"""Whether the database is away for now, or will never take what it was given."""

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError

# What a transaction raises: the driver also has plain errors, for values that it cannot even send.
WRITE_ERRORS = (SQLAlchemyError, ValueError, TypeError, OverflowError)
REFUSING_SQLSTATES = ("22", "23", "54", "P0")  # data, constraints, too large, raised by a trigger


def is_refusal(error: Exception) -> bool:
    """Whether the content is at fault and not the moment, so that trying again is in vain.

    A missing table or privilege is the moment: an operator repairs it, and until then nothing is given up.
    """
    if not isinstance(error, DBAPIError):
        return isinstance(error, StatementError) or not isinstance(error, SQLAlchemyError)
    if error.connection_invalidated:
        return False
    return isinstance(error, (DataError, IntegrityError)) or _sqlstate(error)[:2] in REFUSING_SQLSTATES


def described(error: Exception) -> str:
    """An error for a log line. A refusal's text may quote an answer, so only its kind is told."""
    kind = " ".join(filter(None, (type(error).__name__, _sqlstate(error))))
    if isinstance(error, WRITE_ERRORS) and is_refusal(error):
        return kind
    return f"{kind}: {str(getattr(error, 'orig', None) or error).partition(chr(10))[0]}"


def _sqlstate(error: Exception) -> str:
    return getattr(getattr(error, "orig", None), "sqlstate", None) or ""
