"""Marks that say on which kinds of database a test runs, where it is not on each."""

import pytest


def _in_ci(kind: str, other: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "store", [kind, pytest.param(other, marks=pytest.mark.faults)], indirect=True
    )


# For what is decided without asking the database, or is of this kind alone.
on_sqlite = pytest.mark.parametrize("store", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("store", ["postgresql"], indirect=True)

# What hardly depends on the database: CI shows it on one, `make faults` on the other.
each_database_in_faults = _in_ci("sqlite", "postgresql")
# The same, for deaths that leave PostgreSQL with connections and transactions that nobody ends.
postgresql_in_ci = _in_ci("postgresql", "sqlite")
