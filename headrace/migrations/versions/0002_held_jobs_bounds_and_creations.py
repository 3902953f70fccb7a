"""What an ambiguous call may have cost, what becomes of its job, and requests that may come twice.

It only adds: processes of the version before go on beside it.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from headrace.columns import RowId, UtcTime
from headrace.migrations import online

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ADDED: dict[str, tuple[tuple[str, Any, Any], ...]] = {
    "attempts": (("tokens_at_most", sa.Integer(), "0"),),
    "batches": (
        ("hold_ambiguous", sa.Boolean(), sa.false()),
        ("ambiguous_calls", sa.Integer(), "0"),
        ("ambiguous_tokens", RowId, "0"),
    ),
    "workers": (("version", sa.String(), ""),),
}


def upgrade() -> None:
    for table, columns in ADDED.items():
        for name, kind, default in columns:
            online.add_column(table, sa.Column(name, kind, nullable=False, server_default=default))
    held = sa.text("state = 'held'")
    online.create_index(
        "jobs_held", "jobs", ["api_key_id", "batch_id"], sqlite_where=held, postgresql_where=held
    )
    online.create_table(
        "creations",
        sa.Column("id", RowId, nullable=False),
        sa.Column("api_key_id", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("idempotency_key", sa.String(), nullable=True),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("made", sa.JSON(), nullable=False),
        sa.Column("awaits_first_try", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["api_key_id"], ["api_keys.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    online.create_index(
        "creations_by_idempotency_key", "creations", ["api_key_id", "path", "idempotency_key"], unique=True
    )
    online.create_index("creations_alike", "creations", ["api_key_id", "path", "fingerprint", "id"])
    online.create_index("creations_old", "creations", ["created_at"])


def downgrade() -> None:
    op.drop_table("creations")
    op.drop_index("jobs_held", "jobs")
    for table, columns in ADDED.items():
        for name, _, _ in columns:
            op.drop_column(table, name)
