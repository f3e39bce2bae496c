"""A statement's lines are read with their sign, and must make the closing balance."""

from datetime import date

import pytest

from jetpay.rails.camt import Entry, Statement, read
from jetpay.rails.iso20022 import CannotBeParsed

DEBIT = """<Ntry><Amt Ccy="CAD">300.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>
<BookgDt><Dt>2026-05-05</Dt></BookgDt><ValDt><DtTm>2026-05-05T00:00:00</DtTm></ValDt>
<AcctSvcrRef>B7</AcctSvcrRef><BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>ICDT</Cd>
<SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd><NtryDtls><Btch><MsgId>M-1</MsgId>
<PmtInfId>P-1</PmtInfId><NbOfTxs>3</NbOfTxs></Btch></NtryDtls></Ntry>"""
RETURN = """<Ntry><Amt Ccy="CAD">100.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts>
<BkTxCd><Prtry><Cd>RET</Cd></Prtry></BkTxCd><NtryDtls><TxDtls><Refs><MsgId>M-1</MsgId>
<InstrId>CR-1</InstrId><EndToEndId>CR-1</EndToEndId></Refs><Amt Ccy="CAD">100.00</Amt>
<RmtInf><Ustrd>Claim</Ustrd><Ustrd>123</Ustrd></RmtInf>
<RtrInf><Rsn><Cd>AC04</Cd></Rsn><AddtlInf>closed</AddtlInf></RtrInf></TxDtls></NtryDtls></Ntry>"""
PENDING = """<Ntry><Amt Ccy="CAD">5.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><RvslInd>true</RvslInd>
<Sts><Cd>PDNG</Cd></Sts></Ntry>"""


def balance(code: str, amount: str, side: str = "CRDT") -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy='CAD'>{amount}</Amt>"
        f"<CdtDbtInd>{side}</CdtDbtInd></Bal>"
    )


def statement(*inside: str, namespace: str = "camt.053.001.08") -> bytes:
    return (
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{namespace}"><BkToCstmrStmt><Stmt>'
        "<Id>S-1</Id><ElctrncSeqNb>12</ElctrncSeqNb><Acct><Id><Othr><Id>1000001</Id></Othr></Id>"
        f"<Ccy>CAD</Ccy></Acct>{''.join(inside)}</Stmt></BkToCstmrStmt></Document>"
    ).encode()


def entry(text: str) -> Entry:
    first = next(iter(read([statement(text)])))
    assert isinstance(first, Entry)
    return first


def of(text: bytes) -> Statement:
    *_, found = read([text])
    assert isinstance(found, Statement)
    return found


def test_a_debit_of_a_file_names_the_file() -> None:
    found = entry(DEBIT)
    assert (found.amount, found.currency, found.is_booked) == (-30_000, "CAD", True)
    assert (found.booked_on, found.value_on) == (date(2026, 5, 5), date(2026, 5, 5))
    assert (found.message_id, found.information_id, found.batch_count) == ("M-1", "P-1", 3)
    assert (found.code, found.bank_reference) == ("PMNT/ICDT/ESCT", "B7")
    assert not found.is_return


def test_a_return_names_the_payment_and_why() -> None:
    found = entry(RETURN)
    [detail] = found.details
    assert found.is_return
    assert (found.amount, found.code, found.is_booked) == (10_000, "RET", True)
    assert (detail.reference, detail.amount) == ("CR-1", 10_000)
    assert (detail.return_code, detail.return_text) == ("AC04", "closed")
    assert detail.remittance == "Claim 123"


def test_what_is_only_announced_is_not_booked() -> None:
    found = entry(PENDING)
    assert (found.is_booked, found.is_reversal) == (False, True)


@pytest.mark.parametrize(
    "opening, closing, adds_up",
    [
        (balance("OPBD", "500.00"), balance("CLBD", "300.00"), True),
        (balance("PRCD", "500.00"), balance("CLBD", "300.00"), True),
        (balance("OPBD", "500.00"), balance("CLBD", "300.01"), False),
        (balance("OPBD", "100.00", "DBIT"), balance("CLBD", "300.00", "DBIT"), True),
        (balance("OPBD", "500.00"), "", None),
        ("", "", None),
    ],
)
def test_opening_and_booked_lines_make_the_closing_balance(
    opening: str, closing: str, adds_up: bool | None
) -> None:
    found = of(statement(opening, closing, DEBIT, RETURN, PENDING))
    assert found.adds_up is adds_up
    assert (found.identifier, found.sequence, found.entries) == ("S-1", "12", 3)
    assert (found.account, found.currency) == ("1000001", "CAD")
    assert "1000001" not in repr(found)


def test_each_statement_of_a_file_stands_by_itself() -> None:
    one = statement(balance("OPBD", "500.00"), balance("CLBD", "200.00"), DEBIT)
    inner = one[one.index(b"<Stmt>") : one.index(b"</BkToCstmrStmt>")]
    found = list(read([one.replace(inner, inner + inner)]))
    assert [each.adds_up for each in found if isinstance(each, Statement)] == [True, True]


def test_an_advice_is_read_like_a_statement() -> None:
    text = statement(RETURN, namespace="camt.054.001.02").replace(b"Stmt>", b"Ntfctn>")
    assert [type(each) for each in read([text])] == [Entry, Statement]


@pytest.mark.parametrize(
    "old, new",
    [
        ("300.00", "300,00"),
        ("300.00", "-300.00"),
        ("DBIT", "BOTH"),
        ("2026-05-05<", "2026-13-05<"),
    ],
)
def test_an_amount_or_day_that_is_none_is_refused(old: str, new: str) -> None:
    with pytest.raises(CannotBeParsed) as refused:
        list(read([statement(DEBIT.replace(old, new, 1))]))
    assert refused.value.line >= 1
