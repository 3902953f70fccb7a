"""What a provider charged, as it exports it: read, and checked."""

from headrace.provider_bill.bill import BadBill, Bill, Charge
from headrace.provider_bill.line_items import model_of, without_date
from headrace.provider_bill.reading import read_bill
from headrace.provider_bill.rows import Columns

__all__ = ["BadBill", "Bill", "Charge", "Columns", "model_of", "read_bill", "without_date"]
