"""What calls cost: prices, the ledger's columns, sums by hour, tags, budgets.

It only adds: processes of the version before go on beside it. What they write has no price.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from headrace.columns import RowId, UtcTime
from headrace.migrations import online

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ADDED: dict[str, tuple[tuple[str, Any, Any], ...]] = {
    "api_keys": (("is_admin", sa.Boolean(), sa.false()),),
    "batches": (
        ("cost_nanos", RowId, "0"),
        ("doubtful_nanos", RowId, "0"),
        ("unpriced_calls", sa.Integer(), "0"),
        ("budget_nanos", RowId, None),
        ("reserved_nanos", RowId, "0"),
        ("wanted_nanos", RowId, None),
    ),
    "jobs": (
        ("prompt_at_most", sa.Integer(), "0"),  # 0: not reckoned yet
        ("tags_id", sa.String(), ""),
    ),
    "attempts": (
        ("cache_write_tokens", RowId, "0"),
        ("prompt_audio_tokens", RowId, "0"),
        ("completion_audio_tokens", RowId, "0"),
        ("service_tier", sa.String(), ""),
        ("price_id", sa.String(), None),
        ("cost_nanos", RowId, None),
        ("cost_at_most_nanos", RowId, None),
    ),
}
SUMS = (
    "calls",
    "prompt_tokens",
    "cached_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "total_tokens",
    "cache_write_tokens",
    "prompt_audio_tokens",
    "completion_audio_tokens",
    "cost_nanos",
    "doubtful_calls",
    "doubtful_tokens",
    "doubtful_nanos",
    "unpriced_calls",
)
KEY = ("api_key_id", "model", "price_id", "batch_id", "tags_id", "service_tier")
CREATED = ("budget_alerts", "spending", "budgets", "usage_hours", "tag_sets", "prices")


def upgrade() -> None:
    for table, columns in ADDED.items():
        for name, kind, default in columns:
            column = sa.Column(name, kind, nullable=default is None, server_default=default)
            online.add_column(table, column)
    _create_sums()
    _create_budgets()


def _create_sums() -> None:
    online.create_table(
        "prices",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.Column("first_seen_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    online.create_table(
        "tag_sets",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    online.create_table(
        "usage_hours",
        sa.Column("hour", RowId, nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in KEY),
        *(sa.Column(name, RowId, nullable=False) for name in SUMS),
        sa.PrimaryKeyConstraint("hour", *KEY),
    )
    online.create_index("usage_hours_of_key", "usage_hours", ["api_key_id", "hour"])


def _create_budgets() -> None:
    online.create_table(
        "budgets",
        sa.Column("api_key_id", sa.String(), nullable=False),
        sa.Column("period", sa.String(), nullable=False),
        sa.Column("limit_nanos", RowId, nullable=False),
        sa.CheckConstraint("period IN ('day', 'month', 'total')", name="budget_period"),
        sa.ForeignKeyConstraint(["api_key_id"], ["api_keys.id"]),
        sa.PrimaryKeyConstraint("api_key_id", "period"),
    )
    online.create_table(
        "spending",
        sa.Column("api_key_id", sa.String(), nullable=False),
        sa.Column("period", sa.String(), nullable=False),
        sa.Column("begins", RowId, nullable=False),
        sa.Column("spent_nanos", RowId, nullable=False),
        sa.Column("reserved_nanos", RowId, nullable=False),
        sa.Column("wanted_nanos", RowId, nullable=True),
        sa.ForeignKeyConstraint(["api_key_id"], ["api_keys.id"]),
        sa.PrimaryKeyConstraint("api_key_id", "period", "begins"),
    )
    online.create_table(
        "budget_alerts",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("limit_nanos", RowId, nullable=False),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("api_key_id", sa.String(), nullable=False),
        sa.Column("spent_nanos", RowId, nullable=False),
        sa.Column("reached_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["api_key_id"], ["api_keys.id"]),
        sa.PrimaryKeyConstraint("account", "limit_nanos", "percent"),
    )
    online.create_index("budget_alerts_of_key", "budget_alerts", ["api_key_id", "reached_at"])


def downgrade() -> None:
    for table in CREATED:
        op.drop_table(table)
    for table, columns in ADDED.items():
        for name, _, _ in columns:
            op.drop_column(table, name)
