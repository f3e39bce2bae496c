"""What differs from bank to bank in files of CPA Standard 005, as options that check themselves."""

import re
from dataclasses import dataclass
from typing import Final, Literal

from jetpay.rails.cpa005_codes import TRANSACTION_CODES
from jetpay.rails.cpa005_records import SEGMENT, SEGMENTS
from jetpay.rails.rail import fold_to_ascii, require

AMOUNT_MAXIMUM: Final = 9_999_999_999
DAYS_MAXIMUM: Final = 366

Fill = Literal["zeros", "blanks"]
_CHOICES: Final = {
    "trace": ("zeros", "blanks", "full"),
    "invalid_elements": ("zeros", "blanks"),
    "trailer_filler": ("zeros", "blanks"),
    "reversal_totals": ("zeros", "blanks"),
    "returns_account": ("own", "none"),
    "currency": ("written", "blank"),
    "line_end": ("crlf", "lf"),
    "characters": ("basic", "strict"),
    "number_in_test": ("0000", "TEST"),
}
_RANGES: Final = {
    "segments": range(1, SEGMENTS + 1),
    "days_back": range(DAYS_MAXIMUM + 1),
    "days_ahead": range(DAYS_MAXIMUM + 1),
    "amount_maximum": range(1, AMOUNT_MAXIMUM + 1),
}
_PATTERNS: Final = {
    "clearer_centre": r"(?!0{5})[0-9]{5}|",
    "sundry": r"[A-Z0-9 ]{0,15}",
    "settlement_code": r"[A-Z0-9]{2}|",
    "routing_line": r"(\$\$[!-~ ]{0,76}\$\$)?",
    "routing_line_in_test": r"(\$\$[!-~ ]{0,76}\$\$)?",
}
_NOT_IN: Final = {
    "basic": re.compile(r"[^A-Z0-9 .,&/'-]"),
    "strict": re.compile(r"[^A-Z0-9 ]"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """One bank's; the defaults are those that most banks take. Raises `BadOption`."""

    segments: int = SEGMENTS
    """Payments in one record, 1 to 6."""
    mixed: bool = True
    """Credits and debits may share a file."""
    trace: Literal["zeros", "blanks", "full"] = "zeros"
    """Element 09; `full` is data centre, `clearer_centre`, file number and sequence."""
    clearer_centre: str = ""
    """The originating clearer's data centre, five digits, for a full trace."""
    invalid_elements: Fill = "zeros"
    """Element 21 of what is sent."""
    trailer_filler: Fill = "blanks"
    """Positions 113-1464 of the trailer."""
    reversal_totals: Fill = "zeros"
    """The trailer's numbers of E and F where there are none."""
    returns_account: Literal["own", "none"] = "own"
    """Elements 16 and 17: the originator's account, or zeros and blanks."""
    currency: Literal["written", "blank"] = "written"
    """Element 08 of the header."""
    sundry: str = ""
    """Element 18."""
    settlement_area: bool = False
    """CIBC: positions 1249-1275 of the header name the account that is debited."""
    settlement_code: str = ""
    """Element 20; CIBC: `01`."""
    routing_line: str = ""
    """A line before the header, as RBC wants it outside RBC Express."""
    routing_line_in_test: str = ""
    line_end: Literal["crlf", "lf"] = "crlf"
    final_line_end: bool = True
    characters: Literal["basic", "strict"] = "basic"
    """`basic`: A-Z 0-9 blank . , & - / '; `strict`: A-Z 0-9 blank."""
    number_in_test: Literal["0000", "TEST"] = "0000"
    """The file creation number of a test."""
    days_back: int = 30
    days_ahead: int = 30
    """How far the date may be from the file's creation."""
    amount_maximum: int = AMOUNT_MAXIMUM
    codes_added: tuple[str, ...] = ()
    """Transaction types beyond Standard 007 as known here."""

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            require(name, getattr(self, name) in choices)
        for name, numbers in _RANGES.items():
            value = getattr(self, name)
            require(name, type(value) is int and value in numbers)
        for name, pattern in _PATTERNS.items():
            text = getattr(self, name)
            require(name, isinstance(text, str) and re.fullmatch(pattern, text) is not None)
        for name in ("mixed", "settlement_area", "final_line_end"):
            require(name, isinstance(getattr(self, name), bool))
        require("clearer_centre", bool(self.clearer_centre) == (self.trace == "full"))
        require("codes_added", isinstance(self.codes_added, tuple))
        for code in self.codes_added:
            require("codes_added", re.fullmatch("[0-9]{3}", str(code)) is not None)

    @property
    def end(self) -> str:
        """What ends a line."""
        return "\r\n" if self.line_end == "crlf" else "\n"

    def takes_code(self, code: str) -> bool:
        """Whether it is a transaction type of Standard 007 or one that was added."""
        return code in TRANSACTION_CODES or code in self.codes_added

    def fold(self, text: str, field: str) -> str:
        """A text as it will stand in the field of `SEGMENT`; empty when nothing of it can."""
        folded = _NOT_IN[self.characters].sub(" ", fold_to_ascii(text).upper())
        return " ".join(folded.split())[: SEGMENT.by_name[field].width].rstrip()
