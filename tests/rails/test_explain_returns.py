"""The closed table of fail reasons, and the banks' codes behind them."""

import pytest

from jetpay.rails.fail_reasons import FAIL_REASONS, UNKNOWN, reason_for

# From the design's page on money: reason → cpa005, nacha, iso20022, direction, repairable, held.
LAW = """
account_closed       | 905                | R02             | AC04      | push | yes
account_not_found    | 902                | R03             | AC03      | push | yes
invalid_account      | 912 900-08         | R04             | AC01      | push | yes
invalid_institution  | 900-07 D2          | R12 R13 R28     | RC01      | push | yes
account_type_refused |                    | R20             | AC14 AG01 | push | yes
currency_mismatch    | 909                |                 |           | push | yes
details_invalid      |                    |                 |           | push | yes
name_mismatch        | 914                |                 | BE01      | push | no
account_frozen       | 911                | R16             | AC06      | push | no
payee_deceased       | 910                | R14 R15         | MD07      | push | no
refused_by_payee     | 922                | R23             |           | push | no
recalled             | 903                | R06             | CUST FOCR | pull | no
duplicate_at_bank    |                    | R24             | AM05 DUPL | pull | no
insufficient_funds   |                    |                 | AM04      | pull | held
sanctions            |                    | R90             | RR01 RR02 RR03 RR04 | pull | no
rejected_by_bank     | 900 904 990 900-12 | R17 R18 R19 R21 R22 R25 R26 R27 R32 R34 \
| AC13 AG02 AM09 BE04 BE05 BE06 BE07 DT01 TM01 | pull | held
"""
ROWS = [[cell.strip() for cell in row.split("|")] for row in LAW.strip().splitlines()]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_reason_is_as_the_law_says(row: list[str]) -> None:
    name, *codes, direction, then = row
    reason = FAIL_REASONS[name]
    assert (reason.direction.value, reason.repairable, reason.held) == (
        direction,
        then == "yes",
        then == "held",
    )
    for rail, listed in zip(("cpa005", "nacha", "iso20022"), codes, strict=True):
        for code in listed.split():
            assert reason_for(rail, code) is reason
            assert reason_for("sandbox", code) is reason
    assert reason_for("sandbox", name) is reason


def test_no_reason_is_without_its_row_and_no_code_has_two() -> None:
    assert set(FAIL_REASONS) == {row[0] for row in ROWS} | {"unknown_return"}
    for rail in ("cpa005", "nacha", "iso20022"):
        codes = [code for reason in FAIL_REASONS.values() for code in getattr(reason, rail)]
        assert len(codes) == len(set(codes))


@pytest.mark.parametrize("rail", ["cpa005", "nacha", "iso20022", "sandbox"])
def test_what_is_not_listed_is_unknown_and_never_repaired(rail: str) -> None:
    assert reason_for(rail, "R99") is UNKNOWN
    assert reason_for(rail, "") is UNKNOWN
    assert not UNKNOWN.repairable
