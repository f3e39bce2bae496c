"""CPA Standard 005, the file of Canadian credits and debits: writes and reads it.

Pure and importable alone, and a file is never held as a whole:

    ways = Ways()                                    # what differs from bank to bank
    originator = Originator(ways=ways, originator_id="PAYOUT0001", data_centre="00320", …)
    head = originator.head(number=42, created=date(2026, 5, 4))
    payment = originator.payment(head, sequence=1, amount=123456, …)
    for piece in render(head, [payment], ways): file.write(piece)

    for part in read(chunks): …                      # Head, Found(line, segment, item), Complaint

Tables of the fields: docs/rails/cpa005.md.
"""

from jetpay.rails.complaints import Complaint, Problem
from jetpay.rails.cpa005_codes import RETURN_CODES, TRANSACTION_CODES
from jetpay.rails.cpa005_reader import Found, Part, Raw, read
from jetpay.rails.cpa005_records import Head, Item, number_after, return_code
from jetpay.rails.cpa005_ways import Ways
from jetpay.rails.cpa005_writer import Originator, check, render
from jetpay.rails.rail import BadOption, CannotBeWritten

__all__ = [
    "RETURN_CODES",
    "TRANSACTION_CODES",
    "BadOption",
    "CannotBeWritten",
    "Complaint",
    "Found",
    "Head",
    "Item",
    "Originator",
    "Part",
    "Problem",
    "Raw",
    "Ways",
    "check",
    "number_after",
    "read",
    "render",
    "return_code",
]
