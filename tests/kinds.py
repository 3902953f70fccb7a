"""Marks that say on which kinds of database a test runs, where it is not on each."""

import pytest

# What hardly depends on the database: CI shows it on one, `make faults` on the other.
each_database_in_faults = pytest.mark.parametrize(
    "store", ["sqlite", pytest.param("postgresql", marks=pytest.mark.faults)], indirect=True
)
