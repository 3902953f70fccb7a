"""A client for headrace's own API, as the command line uses it. Programs have the `openai` SDK."""

from headrace.client.calls import Client
from headrace.client.options import USUAL, BatchOptions
from headrace.client.reports import ReportRow
from headrace.client.transport import Refused, Unreachable
from headrace.client.views import BatchView, BudgetView, HeldView, ResultsPage

__all__ = [
    "USUAL",
    "BatchOptions",
    "BatchView",
    "BudgetView",
    "Client",
    "HeldView",
    "Refused",
    "ReportRow",
    "ResultsPage",
    "Unreachable",
]
