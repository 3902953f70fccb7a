"""`among(column, "ids")`: whether a value is one of many, in one statement however many they are.

`column.in_(...)` makes another statement for each number of values, which SQLAlchemy has to write and the
database to parse.
"""

from typing import Any

import orjson
from sqlalchemy import ARRAY, ColumnElement, Dialect, Text, TypeDecorator, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType, TypeEngine


class among(FunctionElement[Any]):  # noqa: N801 - reads like the functions of SQLAlchemy
    """True where `column` is in the collection that is given as the parameter `name`."""

    inherit_cache = True
    type = NullType()  # of Boolean, SQLAlchemy makes `... = 1` for SQLite, which then looks at all rows

    def __init__(self, column: ColumnElement[Any], name: str) -> None:
        super().__init__(column, bindparam(name, type_=_Values(column.type)))


class _Values(TypeDecorator[Any]):
    """An array on PostgreSQL, JSON on SQLite."""

    impl = Text
    cache_ok = True

    def __init__(self, item: TypeEngine[Any]) -> None:
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(ARRAY(self.item) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return list(value) if dialect.name == "postgresql" else orjson.dumps(list(value)).decode()


@compiles(among)
def _in_json(element: among, compiler: SQLCompiler, **options: Any) -> str:
    column, values = element.clauses
    listed = f"SELECT value FROM json_each({compiler.process(values, **options)})"  # noqa: S608 - a parameter
    return f"{compiler.process(column, **options)} IN ({listed})"


@compiles(among, "postgresql")
def _in_array(element: among, compiler: SQLCompiler, **options: Any) -> str:
    column, values = element.clauses
    return f"{compiler.process(column, **options)} = ANY ({compiler.process(values, **options)})"
