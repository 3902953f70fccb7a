"""The answers where no route is: 404, and 405 with the methods that there are."""

from fastapi import Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.routing import Match

from api.problems import envelope
from headrace.bodies import ENDPOINTS

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# What OpenAI answers at once, or in batches, and we do not run.
NOT_RUN = ("/v1/moderations", "/v1/images/generations", "/v1/images/edits", "/v1/videos")


async def not_routed(request: Request, error: HTTPException) -> Response:
    """The envelope instead of plain text."""
    if error.status_code == 404:
        return envelope(404, _unknown(request.method, request.url.path), code="unknown_url")
    if error.status_code == 405:
        message = f"{request.method} is not allowed on {request.url.path}"
        allow = {"allow": ", ".join(_allowed(request))}
        return envelope(405, message, code="method_not_supported", headers=allow)
    return envelope(error.status_code, str(error.detail), headers=error.headers)


def _unknown(method: str, path: str) -> str:
    message = f"Invalid URL ({method} {path})."
    if path in ENDPOINTS:
        message += " headrace runs completions as jobs: POST /v1/jobs, or a batch of lines with this url."
    elif path in NOT_RUN:
        message += f" headrace runs jobs and batches, whose url is one of {', '.join(ENDPOINTS)}."
    return message


def _allowed(request: Request) -> list[str]:
    """Of all routes of the path: each knows only its own."""
    allowed = [method for method in METHODS if _is_routed(request, method)]
    return ["GET", "HEAD", *allowed[1:]] if "GET" in allowed else allowed


def _is_routed(request: Request, method: str) -> bool:
    scope = {**request.scope, "method": method}
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)
