"""Where tables and progress go, and text from elsewhere made safe to show."""

from pathlib import Path

from rich.console import Console

WIDE_COLUMNS = 200

console = Console(highlight=False, markup=False)
if not console.is_terminal:
    console.width = WIDE_COLUMNS  # a pipe has no edge: what reads it wants one line a row


def shown(text: str) -> str:
    """The text without what could command a terminal: providers and models may write anything."""
    return "".join(character if character.isprintable() else " " for character in text)


def near(path: Path) -> Path:
    """The path as seen from here, if it lies below."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
