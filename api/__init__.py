"""The process that takes work in and answers polls: `uvicorn api:app`. Knows nothing of workers."""

from api.main import make_app
from headrace.long_running import settle_in

__all__ = ["app"]

app = make_app(started=settle_in)
