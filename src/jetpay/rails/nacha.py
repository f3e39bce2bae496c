"""The NACHA file of American ACH credits, and the returns and changes that come back.

Pure and importable alone, and a file is never held as a whole:

    originator = Originator(destination=" 021000021", origin="1123456789", odfi="02100002", …)
    head = originator.head(created=date(2026, 5, 4), at=time(9, 30))
    batch = originator.batch(sec="PPD", number=1, effective=date(2026, 5, 5))
    entry = originator.credit(sequence=1, amount=123456, routing="011401533", …)
    for piece in render(head, [(batch, [entry])], Ways()): file.write(piece)

    for part in read(chunks): …                  # FileHead, Found(line, batch, entry), Complaint

Tables of the fields: docs/rails/nacha.md.
"""

from jetpay.rails.complaints import Complaint, Problem
from jetpay.rails.nacha_codes import CHANGE_CODES, RETURN_CODES
from jetpay.rails.nacha_reader import Found, Part, read
from jetpay.rails.nacha_records import (
    Batch,
    Change,
    Entry,
    FileHead,
    Note,
    Return,
    corrections,
    modifier_after,
)
from jetpay.rails.nacha_writer import Originator, Ways, check, fold, render
from jetpay.rails.rail import CannotBeWritten

__all__ = [
    "CHANGE_CODES",
    "RETURN_CODES",
    "Batch",
    "CannotBeWritten",
    "Change",
    "Complaint",
    "Entry",
    "FileHead",
    "Found",
    "Note",
    "Originator",
    "Part",
    "Problem",
    "Return",
    "Ways",
    "check",
    "corrections",
    "fold",
    "modifier_after",
    "read",
    "render",
]
