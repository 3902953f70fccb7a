"""The tests that a page of the docs names, such as `tests/test_lines.py::test_a_missing_field_is_named`."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def named_tests(text: str) -> set[tuple[str, str]]:
    """Each path, and the name behind it or an empty one."""
    return set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text))


def is_there(path: str, name: str) -> bool:
    """Whether the file has this test, or with no name any."""
    tree = ast.parse((ROOT / path).read_text())
    found = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    return name in found if name else any(function.startswith("test_") for function in found)
