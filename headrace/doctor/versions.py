"""The versions of what runs here."""

import importlib.metadata
import platform
from collections.abc import Iterator

from headrace import __version__
from headrace.doctor.findings import Finding, ok, wrong
from headrace.versions import numbers

SUBJECT = "versions"
OLDEST = {"celery": (5, 7), "kombu": (5, 7)}  # older ones can hang after a lost broker connection


def look_at_versions() -> Iterator[Finding]:
    """headrace, Python, and the libraries of which older versions are known to hang."""
    found = {name: importlib.metadata.version(name) for name in OLDEST}
    listed = ", ".join(f"{name} {version}" for name, version in found.items())
    yield ok(SUBJECT, f"headrace {__version__}, Python {platform.python_version()}, {listed}")
    for name, oldest in OLDEST.items():
        if numbers(found[name]) < oldest:
            what = f"{name} {found[name]} can hang after a lost connection to the broker"
            yield wrong(SUBJECT, what, f"install {name} {'.'.join(map(str, oldest))} or newer")
