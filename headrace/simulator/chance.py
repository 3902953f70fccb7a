"""Numbers that look random and follow from a hash."""


def fraction(eight_bytes: bytes) -> float:
    """A number inside (0, 1), neither end included."""
    return ((int.from_bytes(eight_bytes, "big") >> 12) + 0.5) / 2**52
