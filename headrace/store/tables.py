"""The tables as SQLAlchemy Core sees them, for statements over many rows at once."""

from sqlmodel import SQLModel

from headrace import models

assert models.Job.__tablename__ == "jobs"  # importing the models is what fills the metadata

_tables = SQLModel.metadata.tables

api_keys = _tables["api_keys"]
attempts = _tables["attempts"]
batches = _tables["batches"]
budget_alerts = _tables["budget_alerts"]
budgets = _tables["budgets"]
creations = _tables["creations"]
files = _tables["files"]
jobs = _tables["jobs"]
lanes = _tables["lanes"]
prices = _tables["prices"]
provider_models = _tables["provider_models"]
spending = _tables["spending"]
tag_sets = _tables["tag_sets"]
upload_parts = _tables["upload_parts"]
uploads = _tables["uploads"]
usage_hours = _tables["usage_hours"]
workers = _tables["workers"]
