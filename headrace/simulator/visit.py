"""A request that came in, and the work that it asks for."""

from dataclasses import dataclass

from headrace.simulator.call import Call, Usage
from headrace.simulator.connection import Connection
from headrace.simulator.endpoints import Endpoint
from headrace.simulator.faults import Fault
from headrace.simulator.generation import Choice
from headrace.simulator.prices import Cost
from headrace.simulator.request import Request


@dataclass(slots=True)
class Work:
    """A well-formed call with the lengths of its answers, what it costs if its model has a price, and the
    fault that it meets."""

    endpoint: Endpoint
    call: Call
    choices: list[Choice]
    usage: Usage
    cost: Cost | None = None
    fault: Fault | None = None


@dataclass(slots=True)
class Visit:
    """A request on its way. `arrived` is in seconds of the steady clock, `digest` the SHA-256 of the body."""

    seq: int
    request_id: str
    request: Request
    connection: Connection
    arrived: float
    digest: bytes
    work: Work | None = None
