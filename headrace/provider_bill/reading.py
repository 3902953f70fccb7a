"""The bill in a file."""

from headrace.provider_bill.bill import BadBill, Bill, Collected
from headrace.provider_bill.pages import read_pages
from headrace.provider_bill.rows import Columns, read_rows

OPENAI = Columns()


def read_bill(raw: bytes, columns: Columns = OPENAI) -> Bill:
    """CSV or, by its first character, JSON. Raises BadBill with every fault."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadBill([(str(line), f"byte {error.start + 1} of the file is not UTF-8")]) from error
    found = Collected()
    if text.lstrip()[:1] in ("{", "["):
        read_pages(text, found)
    else:
        read_rows(text, columns, found)
    return found.bill()
