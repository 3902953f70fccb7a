"""What tests of the doctor look at."""

KEY = "sk-the-providers-key"


def only(findings):
    """The one thing that is not in order, and what to do about it."""
    (finding,) = findings
    return finding["subject"], finding["level"], finding["what"], finding["advice"]
