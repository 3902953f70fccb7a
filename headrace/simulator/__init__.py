"""An OpenAI-compatible provider that enforces RPM and TPM and misbehaves on request.

It stands alone: nothing here imports the rest of headrace.
"""

from headrace.simulator.config import SimulatorConfig
from headrace.simulator.process import SimulatorProcess
from headrace.simulator.server import serve

__all__ = ["SimulatorConfig", "SimulatorProcess", "serve"]
