"""What a provider's key must be to go into a header; what is said of one never shows a part of it."""


def bare(key: str) -> str:
    """The key without the line end or the spaces that files and secrets come with."""
    return key.strip()


def key_fault(key: str) -> str | None:
    """What is wrong with a key, if anything."""
    if key and not bare(key):
        return "is blank: give the key, or leave it out"
    if not all("!" <= character <= "~" for character in bare(key)):
        return "is no key: it may have printable ASCII characters only, and no space or line end within"
    return None
