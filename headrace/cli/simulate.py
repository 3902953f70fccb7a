"""`headrace simulate`: the simulated provider, on the command line."""

from headrace.simulator.command import simulate

__all__ = ["simulate"]
