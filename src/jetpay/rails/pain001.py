"""ISO 20022 pain.001: the order to pay, as banks in Canada, the United States and SEPA take it.

Versions 001.001.03 and 001.001.09. The elements are declared once, for writing and for reading.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, Literal

from jetpay.rails.iso20022 import (
    CannotBeParsed,
    Leaf,
    Shape,
    fold,
    local_name,
    minor_units,
    money,
    parse,
)
from jetpay.rails.rail import CannotBeWritten, Payment

Version = Literal["03", "09"]
NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:pain.001.001."
COUNT_MAXIMUM: Final = 10**15 - 1
REMITTANCE_LENGTH: Final = 140
PARTY_LENGTH: Final = 70
AMOUNT_BEYOND: Final = 10**11
"""In minor units; SEPA's scheme ends at 999,999,999.99."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavour:
    """What a country's banks want of the order.

    `clearing`: the code of the system whose member numbers name banks; without one accounts are
    IBANs. `local_instrument`: with the element that holds it, `Cd` or `Prtry`.
    """

    name: str
    scheme: str
    currency: str
    service_level: str
    clearing: str = ""
    country: str = ""
    local_instrument: tuple[Literal["Cd", "Prtry"], str] | None = None
    charge_bearer: str = ""
    name_length: int
    remittance_length: int = REMITTANCE_LENGTH
    tells_account_type: bool = False


# Lengths of names: what the clearing behind the message keeps.
CANADA: Final = Flavour(
    name="canada", scheme="ca", currency="CAD", service_level="NURG", clearing="CACPA",
    country="CA", name_length=30,
)  # fmt: skip
UNITED_STATES: Final = Flavour(
    name="united_states", scheme="us", currency="USD", service_level="NURG", clearing="USABA",
    country="US", local_instrument=("Cd", "PPD"), name_length=22, remittance_length=80,
    tells_account_type=True,
)  # fmt: skip
SEPA: Final = Flavour(
    name="sepa", scheme="iban", currency="EUR", service_level="SEPA", charge_bearer="SLEV",
    name_length=PARTY_LENGTH,
)  # fmt: skip
FLAVOURS: Final = {each.name: each for each in (CANADA, UNITED_STATES, SEPA)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The company's side, and the totals, which the message tells before the payments.

    `created_at`: in the bank's zone, whose offset is not written. `customer`: the identifier that
    the bank gave. `routing`: as in `Payment`; in SEPA the BIC, which may be empty.
    """

    message_id: str
    created_at: datetime
    execute_on: date
    count: int
    total: int
    name: str
    customer: str
    routing: str
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOrder:
    """An order as the bank reads it."""

    message_id: str
    execute_on: date
    name: str
    customer: str
    routing: str
    account: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPayment:
    """A payment as the bank reads it; `line` of the file where it ends."""

    line: int
    reference: str
    amount: int
    currency: str
    routing: str
    holder_name: str
    statement: str
    account: str = field(repr=False)


class Pain001:
    """Writes and reads orders of one version and flavour; each payment by itself."""

    def __init__(self, version: Version, flavour: Flavour) -> None:
        self.version, self.flavour = version, flavour
        self.namespace = NAMESPACE + version
        self._group = Shape("GrpHdr", GROUP)
        self.information = Shape("PmtInf", _information(version, flavour))
        self.transaction = Shape("CdtTrfTxInf", _transaction(flavour))

    def check(self, payment: Payment) -> None:
        """Raises `CannotBeWritten`."""
        self._payment(payment)

    def render(self, order: Order, payments: Iterable[Payment]) -> Iterator[bytes]:
        """The message in pieces, the same for the same payments.

        Raises `CannotBeWritten`, for `total` when the payments do not come to what the order says.
        """
        values = self._values_of(order)
        information = self.information.write(values).removesuffix(b"</PmtInf>")
        yield (
            b'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="'
            + self.namespace.encode("ascii")
            + b'">\n<CstmrCdtTrfInitn>\n'
            + self._group.write(values)
            + b"\n"
            + information
            + b"\n"
        )
        count = total = 0
        for payment in payments:
            yield self._payment(payment) + b"\n"
            count, total = count + 1, total + payment.amount
        if (count, total) != (order.count, order.total):
            raise CannotBeWritten("total")
        yield b"</PmtInf>\n</CstmrCdtTrfInitn>\n</Document>\n"

    def read(self, chunks: Iterable[bytes]) -> Iterator[ReadOrder | ReadPayment]:
        """The order, then its payments, as the bank reads them; other orders one after the other.

        Raises `CannotBeParsed`, at the end when the totals are not those of the payments.
        """
        found: dict[str, str] = {}
        information: object = None
        count = total = 0
        for element in parse(chunks, frozenset({"GrpHdr", "CdtTrfTxInf"})):
            if local_name(element) == "GrpHdr":
                found = self._group.read(element)
                continue
            line = element.sourceline or 1
            above = element.getparent()
            if above is not None and above is not information:
                information = above
                yield _read_order(found | self.information.read(above), line)
            payment = _read_payment(self.transaction.read(element), line)
            count, total = count + 1, total + payment.amount
            yield payment
        if (str(count), total) != (found.get("count"), minor_units(found.get("total", ""))):
            raise CannotBeParsed("the totals are not those of the payments")

    def fold(self, text: str) -> str:
        """A statement as it will stand in the message."""
        return fold(text, self.flavour.remittance_length)

    def _values_of(self, order: Order) -> dict[str, str]:
        if not 0 < order.count <= COUNT_MAXIMUM or order.total <= 0:
            raise CannotBeWritten("count")
        return {
            "message_id": order.message_id,
            "created_at": order.created_at.strftime("%Y-%m-%dT%H:%M:%S"),
            "count": str(order.count),
            "total": money(order.total),
            "name": fold(order.name, PARTY_LENGTH),
            "customer": order.customer,
            "information_id": order.message_id,
            "execute_on": order.execute_on.isoformat(),
            "routing": order.routing,
            "unknown_bank": "" if order.routing else "NOTPROVIDED",
            "account": order.account,
        }

    def _payment(self, payment: Payment) -> bytes:
        flavour = self.flavour
        if payment.scheme != flavour.scheme:
            raise CannotBeWritten("scheme")
        holder_name = fold(payment.holder_name, flavour.name_length)
        if not holder_name:
            raise CannotBeWritten("holder_name")
        if not 0 < payment.amount < AMOUNT_BEYOND:
            raise CannotBeWritten("amount")
        kind = "SVGS" if payment.account_type == "savings" else "CACC"
        return self.transaction.write(
            {
                "reference": payment.reference,
                "end_to_end": payment.reference,
                "currency": flavour.currency,
                "amount": money(payment.amount),
                "routing": payment.routing if flavour.clearing else "",
                "holder_name": holder_name,
                "account": payment.account,
                "account_type": kind if flavour.tells_account_type else "",
                "statement": self.fold(payment.statement),
            }
        )


GROUP: Final = (
    Leaf("MsgId", "message_id", meaning="ours, unique for the bank"),
    Leaf("CreDtTm", "created_at", meaning="when it was made, in the bank's zone"),
    Leaf("NbOfTxs", "count", length=15, meaning="how many payments"),
    Leaf("CtrlSum", "total", length=18, meaning="the sum of their amounts"),
    Leaf("InitgPty/Nm", "name", length=PARTY_LENGTH, meaning="the company"),
    Leaf("InitgPty/Id/OrgId/Othr/Id", "customer", meaning="the bank's identifier of the company"),
)


def _information(version: Version, flavour: Flavour) -> tuple[Leaf, ...]:
    day = "ReqdExctnDt" if version == "03" else "ReqdExctnDt/Dt"
    leaves = [
        Leaf("PmtInfId", "information_id", meaning="the same as `MsgId`: one block a message"),
        Leaf("PmtMtd", value="TRF"),
        Leaf("BtchBookg", value="true", meaning="one debit for the whole file"),
        Leaf("NbOfTxs", "count", length=15, meaning="how many payments"),
        Leaf("CtrlSum", "total", length=18, meaning="the sum of their amounts"),
        Leaf("PmtTpInf/SvcLvl/Cd", value=flavour.service_level),
    ]
    if flavour.local_instrument:
        element, code = flavour.local_instrument
        leaves.append(Leaf(f"PmtTpInf/LclInstrm/{element}", value=code))
    leaves += [
        Leaf(day, "execute_on", meaning="when the bank shall debit"),
        Leaf("Dbtr/Nm", "name", length=PARTY_LENGTH, meaning="the company"),
    ]
    if flavour.country:
        leaves.append(Leaf("Dbtr/PstlAdr/Ctry", value=flavour.country))
    leaves.append(_account(flavour, "DbtrAcct"))
    leaves.append(Leaf("DbtrAcct/Ccy", value=flavour.currency))
    if flavour.clearing:
        leaves += _bank(flavour, "DbtrAgt")
    else:
        bic = "BIC" if version == "03" else "BICFI"
        at = "DbtrAgt/FinInstnId"
        leaves += [
            Leaf(f"{at}/{bic}", "routing", length=11, meaning="the company's bank"),
            Leaf(f"{at}/Othr/Id", "unknown_bank", meaning="where its BIC is not known"),
        ]
    if flavour.charge_bearer:
        leaves.append(Leaf("ChrgBr", value=flavour.charge_bearer))
    return tuple(leaves)


def _transaction(flavour: Flavour) -> tuple[Leaf, ...]:
    leaves = [
        Leaf("PmtId/InstrId", "reference", meaning="the payment attempt's reference"),
        Leaf("PmtId/EndToEndId", "end_to_end", meaning="the same, which reports bring back"),
        Leaf("Amt/InstdAmt", "amount", length=18, meaning="the amount"),
        Leaf("Amt/InstdAmt@Ccy", "currency", length=3, meaning="its currency"),
    ]
    if flavour.clearing:
        leaves += _bank(flavour, "CdtrAgt")
    leaves.append(
        Leaf("Cdtr/Nm", "holder_name", length=flavour.name_length, meaning="the account holder")
    )
    if flavour.country:
        leaves.append(Leaf("Cdtr/PstlAdr/Ctry", value=flavour.country))
    leaves.append(_account(flavour, "CdtrAcct"))
    if flavour.tells_account_type:
        leaves.append(Leaf("CdtrAcct/Tp/Cd", "account_type", length=4, meaning="`CACC` or `SVGS`"))
    leaves.append(
        Leaf(
            "RmtInf/Ustrd",
            "statement",
            length=flavour.remittance_length,
            meaning="the statement",
        )
    )
    return tuple(leaves)


def _account(flavour: Flavour, at: str) -> Leaf:
    path = f"{at}/Id/Othr/Id" if flavour.clearing else f"{at}/Id/IBAN"
    return Leaf(path, "account", length=34, meaning="the account", sensitive=True)


def _bank(flavour: Flavour, at: str) -> list[Leaf]:
    return [
        Leaf(f"{at}/FinInstnId/ClrSysMmbId/ClrSysId/Cd", value=flavour.clearing),
        Leaf(
            f"{at}/FinInstnId/ClrSysMmbId/MmbId",
            "routing",
            length=9,
            meaning="the bank's and branch's number",
        ),
        Leaf(f"{at}/FinInstnId/PstlAdr/Ctry", value=flavour.country),
    ]


def _read_order(found: dict[str, str], line: int) -> ReadOrder:
    try:
        execute_on = date.fromisoformat(found["execute_on"])
    except ValueError:
        raise CannotBeParsed("the day of execution is none", line) from None
    return ReadOrder(
        message_id=found["message_id"],
        execute_on=execute_on,
        name=found["name"],
        customer=found["customer"],
        routing=found["routing"],
        account=found["account"],
    )


def _read_payment(found: dict[str, str], line: int) -> ReadPayment:
    amount = minor_units(found["amount"])
    if not amount:
        raise CannotBeParsed("an amount is none", line)
    return ReadPayment(
        line=line,
        reference=found["end_to_end"] or found["reference"],
        amount=amount,
        currency=found["currency"],
        routing=found.get("routing", ""),
        holder_name=found["holder_name"],
        statement=found["statement"],
        account=found["account"],
    )
