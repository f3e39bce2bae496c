"""A status is that of the lowest level that tells one."""

import pytest

from jetpay.rails.pain002 import MEANINGS, Level, Meaning, Reason, Status, read

ONE = "<OrgnlEndToEndId>CR-1</OrgnlEndToEndId>"


def report(group: str = "", payment: str = "", *transactions: str) -> bytes:
    inside = "".join(f"<TxInfAndSts>{each}</TxInfAndSts>" for each in transactions)
    return (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.03"><CstmrPmtStsRpt>'
        "<GrpHdr><MsgId>B-1</MsgId></GrpHdr><OrgnlGrpInfAndSts><OrgnlMsgId>M-1</OrgnlMsgId>"
        f"{group}</OrgnlGrpInfAndSts><OrgnlPmtInfAndSts><OrgnlPmtInfId>P-1</OrgnlPmtInfId>{payment}"
        f"{inside}</OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>"
    ).encode()


def last(text: bytes) -> Status:
    return list(read([text]))[-1]


@pytest.mark.parametrize(
    "group, payment, own, code",
    [
        ("RJCT", "", "", "RJCT"),
        ("ACCP", "RJCT", "", "RJCT"),
        ("ACCP", "RJCT", "ACSP", "ACSP"),
        ("PART", "", "", ""),
        ("PART", "PART", "RJCT", "RJCT"),
        ("", "", "ACSC", "ACSC"),
        ("", "", "", ""),
    ],
)
def test_a_payment_has_the_status_of_the_lowest_level(
    group: str, payment: str, own: str, code: str
) -> None:
    text = report(
        group and f"<GrpSts>{group}</GrpSts>",
        payment and f"<PmtInfSts>{payment}</PmtInfSts>",
        ONE + (own and f"<TxSts>{own}</TxSts>"),
    )
    [status] = [each for each in read([text]) if each.level is Level.TRANSACTION]
    assert (status.reference, status.message_id, status.information_id) == ("CR-1", "M-1", "P-1")
    assert status.code == code
    assert status.meaning is MEANINGS.get(code, Meaning.UNKNOWN)


def test_a_status_tells_its_reasons() -> None:
    why = (
        "<StsRsnInf><Rsn><Cd>AC04</Cd></Rsn><AddtlInf>Account</AddtlInf><AddtlInf>closed</AddtlInf>"
        "</StsRsnInf><StsRsnInf><Rsn><Prtry>X9</Prtry></Rsn></StsRsnInf>"
    )
    [_, status] = read([report("", "", f"{ONE}<TxSts>RJCT</TxSts>{why}")])
    assert status.reasons == (Reason("AC04", "Account closed"), Reason("X9", ""))


def test_a_refused_order_tells_each_payment_why() -> None:
    group = "<GrpSts>RJCT</GrpSts><StsRsnInf><Rsn><Cd>DUPL</Cd></Rsn></StsRsnInf>"
    statuses = list(read([report(group, "", ONE)]))
    assert [each.level for each in statuses] == [Level.GROUP, Level.TRANSACTION]
    assert {each.meaning for each in statuses} == {Meaning.REJECTED}
    assert {each.reasons for each in statuses} == {(Reason("DUPL", ""),)}


def test_a_report_without_a_namespace_is_read() -> None:
    text = report("", "", f"{ONE}<TxSts>ACCC</TxSts>").replace(
        b' xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.03"', b""
    )
    assert last(text).meaning is Meaning.CREDITED


def test_a_payment_that_is_named_by_its_instruction_alone_is_found() -> None:
    text = report("", "", "<OrgnlInstrId>CR-2</OrgnlInstrId><TxSts>PDNG</TxSts>")
    assert last(text).reference == "CR-2"


def test_an_order_s_status_comes_behind_its_payments() -> None:
    text = report("", "<PmtInfSts>ACCP</PmtInfSts>", ONE, ONE)
    assert [each.level for each in read([text])] == [
        Level.GROUP,
        Level.TRANSACTION,
        Level.TRANSACTION,
        Level.PAYMENT,
    ]
