"""The tables. Their CHECK constraints make impossible rows impossible; only `store` writes them."""

from headrace.models.clients import ApiKey, Creation
from headrace.models.files import File, Upload, UploadPart
from headrace.models.money import Budget, BudgetAlert, PriceRow, Spending, TagSet, UsageHour
from headrace.models.work import Attempt, Batch, Job
from headrace.models.workers import Lane, ProviderModel, Worker

__all__ = [
    "ApiKey",
    "Attempt",
    "Batch",
    "Budget",
    "BudgetAlert",
    "Creation",
    "File",
    "Job",
    "Lane",
    "PriceRow",
    "ProviderModel",
    "Spending",
    "TagSet",
    "Upload",
    "UploadPart",
    "UsageHour",
    "Worker",
]
