"""Where tables and progress go, and text from elsewhere made safe to show."""

from rich.console import Console

console = Console(highlight=False, markup=False)


def shown(text: str) -> str:
    """The text without what could command a terminal: providers and models may write anything."""
    return "".join(character if character.isprintable() else " " for character in text)
