"""The closed table of reasons why money did not arrive, and how each rail's codes map to it."""

from dataclasses import dataclass
from enum import StrEnum


class Direction(StrEnum):
    """Whose side refused: `push` is the payee's, `pull` the company's."""

    PUSH = "push"
    PULL = "pull"


@dataclass(frozen=True, slots=True)
class FailReason:
    """`held`: a next attempt with the same details waits for a person."""

    name: str
    direction: Direction
    repairable: bool
    cpa005: tuple[str, ...] = ()
    nacha: tuple[str, ...] = ()
    iso20022: tuple[str, ...] = ()
    held: bool = False


_PUSH, _PULL = Direction.PUSH, Direction.PULL

# 900 names the refused element: "900-07" is code 900 for element 07.
_TABLE = (
    FailReason("account_closed", _PUSH, True, ("905",), ("R02",), ("AC04",)),
    FailReason("account_not_found", _PUSH, True, ("902",), ("R03",), ("AC03",)),
    FailReason("invalid_account", _PUSH, True, ("912", "900-08"), ("R04",), ("AC01",)),
    FailReason(
        "invalid_institution", _PUSH, True, ("900-07", "D2"), ("R12", "R13", "R28"), ("RC01",)
    ),
    FailReason("account_type_refused", _PUSH, True, (), ("R20",), ("AC14", "AG01")),
    FailReason("currency_mismatch", _PUSH, True, ("909",)),
    FailReason("details_invalid", _PUSH, True),
    FailReason("name_mismatch", _PUSH, False, ("914",), (), ("BE01",)),
    FailReason("account_frozen", _PUSH, False, ("911",), ("R16",), ("AC06",)),
    FailReason("payee_deceased", _PUSH, False, ("910",), ("R14", "R15"), ("MD07",)),
    FailReason("refused_by_payee", _PUSH, False, ("922",), ("R23",)),
    FailReason("recalled", _PULL, False, ("903",), ("R06",), ("CUST", "FOCR")),
    FailReason("duplicate_at_bank", _PULL, False, (), ("R24",), ("AM05", "DUPL")),
    FailReason("insufficient_funds", _PULL, False, (), (), ("AM04",), held=True),
    FailReason("sanctions", _PULL, False, (), ("R90",), ("RR01", "RR02", "RR03", "RR04")),
    FailReason(
        "rejected_by_bank",
        _PULL,
        False,
        ("900", "904", "990"),
        ("R17", "R18", "R19", "R21", "R22", "R25", "R26", "R27", "R32", "R34"),
        ("AC13", "AG02", "AM09", "BE04", "BE05", "BE06", "BE07", "DT01", "TM01"),
        held=True,
    ),
    FailReason("unknown_return", _PUSH, False),
)

FAIL_REASONS: dict[str, FailReason] = {reason.name: reason for reason in _TABLE}
UNKNOWN = FAIL_REASONS["unknown_return"]
_BY_CODE: dict[str, dict[str, FailReason]] = {
    rail: {code: reason for reason in _TABLE for code in getattr(reason, rail)}
    for rail in ("cpa005", "nacha", "iso20022")
}


def reason_for(rail: str, code: str) -> FailReason:
    """The reason behind a code of `cpa005`, `nacha` or `iso20022`; `unknown_return` if unlisted.

    The sandbox speaks every rail's codes and the reasons' own names.
    """
    if rail != "sandbox":
        return _BY_CODE[rail].get(code) or _element_of_900(rail, code) or UNKNOWN
    if code in FAIL_REASONS:
        return FAIL_REASONS[code]
    found = (reason_for(each, code) for each in _BY_CODE)
    return next((reason for reason in found if reason is not UNKNOWN), UNKNOWN)


def _element_of_900(rail: str, code: str) -> FailReason | None:
    if rail == "cpa005" and code.startswith("900-"):
        # Processors have identifiers of their own beside the standard's numbers of elements.
        return _BY_CODE[rail].get(code.removeprefix("900-")) or FAIL_REASONS["rejected_by_bank"]
    return None
