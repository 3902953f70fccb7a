"""The all-in-one stack: Valkey, API, workers and beat as children of this process."""

from headrace.embedded.environment import settled
from headrace.embedded.stack import Stack
from headrace.embedded.supervisor import PartFailed

__all__ = ["PartFailed", "Stack", "settled"]
