"""The tables as SQLAlchemy Core sees them, for statements over many rows at once."""

from sqlmodel import SQLModel

from headrace import models

assert models.Job.__tablename__ == "jobs"  # importing the models is what fills the metadata

_tables = SQLModel.metadata.tables

api_keys = _tables["api_keys"]
attempts = _tables["attempts"]
batches = _tables["batches"]
creations = _tables["creations"]
files = _tables["files"]
jobs = _tables["jobs"]
lanes = _tables["lanes"]
provider_models = _tables["provider_models"]
upload_parts = _tables["upload_parts"]
uploads = _tables["uploads"]
workers = _tables["workers"]
