"""Is everything in order? Each part of a running headrace looked at, and what to do where it is not."""

from headrace.doctor.checks import diagnose
from headrace.doctor.findings import Finding, Level

__all__ = ["Finding", "Level", "diagnose"]
