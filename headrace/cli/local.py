"""An input run to its end on a stack of our own: `headrace run`, and the demo."""

from collections.abc import Callable
from dataclasses import dataclass

import typer

from headrace.cli.conversion import BadInput, Input
from headrace.cli.following import follow
from headrace.cli.interrupts import interruptible
from headrace.cli.outcomes import Outcomes, result_pages
from headrace.cli.progress import display
from headrace.cli.results_file import ResultsFile
from headrace.cli.submission import submit
from headrace.client import BatchView, Client
from headrace.embedded import Stack
from headrace.settings import Settings
from headrace.states import BatchStatus

HASH_KEY = "headrace_input_sha256"
RESUMABLE = frozenset(
    {BatchStatus.VALIDATING, BatchStatus.IN_PROGRESS, BatchStatus.FINALIZING, BatchStatus.COMPLETED}
)
