"""The tables. Their CHECK constraints make impossible rows impossible; only `store` writes them."""

from headrace.models.clients import ApiKey, Creation
from headrace.models.files import File, Upload, UploadPart
from headrace.models.work import Attempt, Batch, Job
from headrace.models.workers import Lane, ProviderModel, Worker

__all__ = [
    "ApiKey",
    "Attempt",
    "Batch",
    "Creation",
    "File",
    "Job",
    "Lane",
    "ProviderModel",
    "Upload",
    "UploadPart",
    "Worker",
]
