"""An order is what the schema and the bank's guide ask for, and reads back equal."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from jetpay.rails.iso20022 import CannotBeParsed
from jetpay.rails.pain001 import (
    CANADA,
    FLAVOURS,
    SEPA,
    UNITED_STATES,
    Flavour,
    Order,
    Pain001,
    ReadOrder,
    ReadPayment,
    Version,
)
from jetpay.rails.rail import CannotBeWritten, Payment

IBAN = "DE89370400440532013000"
ROUTING = {"ca": "000412342", "us": "021000021", "iban": ""}
# The example of the reference, whose elements these are, in the schema's order.
EXAMPLE = """<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09">
<CstmrCdtTrfInitn>
<GrpHdr><MsgId>M-20260504-0042</MsgId><CreDtTm>2026-05-04T09:30:00</CreDtTm><NbOfTxs>1</NbOfTxs>\
<CtrlSum>1234.56</CtrlSum><InitgPty><Nm>ACME CLAIMS INC</Nm><Id><OrgId><Othr><Id>PAYOUT0001</Id>\
</Othr></OrgId></Id></InitgPty></GrpHdr>
<PmtInf><PmtInfId>M-20260504-0042</PmtInfId><PmtMtd>TRF</PmtMtd><BtchBookg>true</BtchBookg>\
<NbOfTxs>1</NbOfTxs><CtrlSum>1234.56</CtrlSum><PmtTpInf><SvcLvl><Cd>NURG</Cd></SvcLvl>\
</PmtTpInf><ReqdExctnDt><Dt>2026-05-05</Dt></ReqdExctnDt><Dbtr><Nm>ACME CLAIMS INC</Nm>\
<PstlAdr><Ctry>CA</Ctry></PstlAdr></Dbtr><DbtrAcct><Id><Othr><Id>1000001</Id></Othr></Id>\
<Ccy>CAD</Ccy></DbtrAcct><DbtrAgt><FinInstnId><ClrSysMmbId><ClrSysId><Cd>CACPA</Cd></ClrSysId>\
<MmbId>000300002</MmbId></ClrSysMmbId><PstlAdr><Ctry>CA</Ctry></PstlAdr></FinInstnId></DbtrAgt>
<CdtTrfTxInf><PmtId><InstrId>CR-0000000001</InstrId><EndToEndId>CR-0000000001</EndToEndId></PmtId>\
<Amt><InstdAmt Ccy="CAD">1234.56</InstdAmt></Amt><CdtrAgt><FinInstnId><ClrSysMmbId><ClrSysId>\
<Cd>CACPA</Cd></ClrSysId><MmbId>000412342</MmbId></ClrSysMmbId><PstlAdr><Ctry>CA</Ctry></PstlAdr>\
</FinInstnId></CdtrAgt><Cdtr><Nm>JANE DOE</Nm><PstlAdr><Ctry>CA</Ctry></PstlAdr></Cdtr><CdtrAcct>\
<Id><Othr><Id>1234567</Id></Othr></Id></CdtrAcct><RmtInf><Ustrd>Claim 123</Ustrd></RmtInf>\
</CdtTrfTxInf>
</PmtInf>
</CstmrCdtTrfInitn>
</Document>
"""


def payment(flavour: Flavour = CANADA, **changed: Any) -> Payment:
    usual = Payment(
        line=1,
        reference="CR-0000000001",
        amount=123_456,
        holder_name="JANE DOE",
        statement="Claim 123",
        scheme=flavour.scheme,
        account_type="chequing",
        routing=ROUTING[flavour.scheme],
        account=IBAN if flavour.scheme == "iban" else "1234567",
    )
    return replace(usual, **changed)


def order(flavour: Flavour = CANADA, payments: Iterable[Payment] = (), **changed: Any) -> Order:
    amounts = [each.amount for each in payments] or [123_456]
    usual = Order(
        message_id="M-20260504-0042",
        created_at=datetime(2026, 5, 4, 9, 30),  # noqa: DTZ001 - the bank's own wall clock
        execute_on=date(2026, 5, 5),
        count=len(amounts),
        total=sum(amounts),
        name="ACME CLAIMS INC",
        customer="PAYOUT0001",
        routing={"ca": "000300002", "us": "021000021", "iban": "COBADEFFXXX"}[flavour.scheme],
        account=IBAN if flavour.scheme == "iban" else "1000001",
    )
    return replace(usual, **changed)


def write(
    *payments: Payment, flavour: Flavour = CANADA, version: Version = "09", **changed: Any
) -> bytes:
    made = order(flavour, payments, **changed)
    return b"".join(Pain001(version, flavour).render(made, payments))


def test_the_example_is_written_to_the_byte() -> None:
    assert write(payment()).decode() == EXAMPLE


@pytest.mark.parametrize("flavour", FLAVOURS.values(), ids=FLAVOURS)
@pytest.mark.parametrize("version", get_args(Version))
@pytest.mark.parametrize("savings", [False, True])
@pytest.mark.parametrize("statement", ["Claim 123", "", "Sinistre n° 7 // été"])
def test_every_message_fits_the_schema(
    flavour: Flavour, version: Version, statement: str, *, savings: bool
) -> None:
    found = find_spec("sepaxml")
    if found is None or found.origin is None:
        pytest.skip("sepaxml, which carries the schemas, is not installed")
    folder = Path(found.origin).parent / "schemas"
    schema = etree.XMLSchema(etree.parse(folder / f"pain.001.001.{version}.xsd"))
    kind = "savings" if savings else "chequing"
    one = payment(flavour, statement=statement, account_type=kind)
    for routing in (order(flavour).routing, "" if flavour is SEPA else order(flavour).routing):
        text = write(one, flavour=flavour, version=version, routing=routing)
        assert schema.validate(etree.fromstring(text)), schema.error_log


ids = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=12, max_size=12)


@given(
    st.sampled_from(sorted(FLAVOURS)),
    st.sampled_from(get_args(Version)),
    st.lists(
        st.tuples(ids, st.integers(1, 9_999_999_999), st.text(min_size=1), st.text()),
        min_size=1,
        max_size=5,
    ),
)
def test_what_is_written_reads_back_equal(
    name: str, version: Version, rows: list[tuple[str, int, str, str]]
) -> None:
    flavour = FLAVOURS[name]
    message = Pain001(version, flavour)
    payments = [
        payment(flavour, reference=reference, amount=amount, holder_name=f"J {holder}",
                statement=statement)
        for reference, amount, holder, statement in rows
    ]  # fmt: skip
    text = write(*payments, flavour=flavour, version=version)
    head, *found = message.read([text])
    assert isinstance(head, ReadOrder)
    assert (head.execute_on, head.account) == (date(2026, 5, 5), order(flavour).account)
    assert [
        (each.reference, each.amount, each.account, each.routing, each.statement, each.currency)
        for each in found
        if isinstance(each, ReadPayment)
    ] == [
        (each.reference, each.amount, each.account, each.routing, message.fold(each.statement),
         flavour.currency)
        for each in payments
    ]  # fmt: skip


@pytest.mark.parametrize(
    "changed, name",
    [
        ({"scheme": "us"}, "scheme"),
        ({"holder_name": "新しい"}, "holder_name"),
        ({"amount": 0}, "amount"),
        ({"amount": 10**11}, "amount"),
        ({"reference": "A" * 36}, "reference"),
        ({"reference": "/A"}, "reference"),
        ({"reference": "A<B"}, "reference"),
        ({"account": "1" * 35}, "account"),
        ({"routing": "0004123421"}, "routing"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(changed: dict[str, Any], name: str) -> None:
    with pytest.raises(CannotBeWritten) as refused:
        Pain001("09", CANADA).check(payment(**changed))
    assert refused.value.field == name


def test_a_text_cannot_become_markup() -> None:
    name = "A</Nm><Evil/> & B"
    text = write(payment(holder_name=name, statement="</Ustrd>&lt;"))
    assert b"<Nm>A /Nm Evil/ + B</Nm>" in text
    assert b"<Evil" not in text


def test_an_account_in_the_united_states_tells_its_kind() -> None:
    text = write(payment(UNITED_STATES, account_type="savings"), flavour=UNITED_STATES)
    assert b"<Tp><Cd>SVGS</Cd></Tp>" in text
    assert b"<LclInstrm><Cd>PPD</Cd></LclInstrm>" in text


def test_a_company_without_a_bic_says_so() -> None:
    text = write(payment(SEPA), flavour=SEPA, routing="")
    assert b"<DbtrAgt><FinInstnId><Othr><Id>NOTPROVIDED</Id></Othr></FinInstnId></DbtrAgt>" in text


@pytest.mark.parametrize("changed", [{"count": 2}, {"total": 1}])
def test_an_order_tells_the_totals_of_its_payments(changed: dict[str, Any]) -> None:
    with pytest.raises(CannotBeWritten):
        write(payment(), **changed)


@pytest.mark.parametrize(
    "old, new",
    [
        (b"<NbOfTxs>1<", b"<NbOfTxs>2<"),
        (b"<CtrlSum>1234.56<", b"<CtrlSum>1234.57<"),
        (b">1234.56</InstdAmt>", b">1234.50</InstdAmt>"),
        (b">1234.56</InstdAmt>", b">12.34.56</InstdAmt>"),
        (b"<Dt>2026-05-05<", b"<Dt>2026-02-30<"),
    ],
)
def test_a_changed_order_is_not_taken_for_the_company_s(old: bytes, new: bytes) -> None:
    text = write(payment())
    assert old in text
    with pytest.raises(CannotBeParsed):
        list(Pain001("09", CANADA).read([text.replace(old, new, 1)]))


def test_a_sign_for_private_use_is_refused() -> None:
    text = write(payment()).replace(b"JANE DOE", "JANE \ue000 DOE".encode())
    with pytest.raises(CannotBeParsed):
        list(Pain001("09", CANADA).read([text]))
