"""Runs inside Alembic: migrates on the connection it is handed (see `headrace.migrations`)."""

from alembic import context
from sqlmodel import SQLModel

from headrace import models

assert models.Job.__tablename__ == "jobs"  # the tables register themselves on import

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
