"""ISO 20022 pain.002: what the bank says of an order, of its payments, or of each of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from jetpay.rails.iso20022 import local_name, parse, text_at

if TYPE_CHECKING:
    from lxml import etree


class Level(StrEnum):
    """What a status is said of; the lower one wins."""

    GROUP = "group"
    PAYMENT = "payment"
    TRANSACTION = "transaction"


class Meaning(StrEnum):
    """What a status code means for the payment."""

    RECEIVED = "received"
    ACCEPTED = "accepted"
    SETTLED = "settled"
    CREDITED = "credited"
    PENDING = "pending"
    PARTLY = "partly"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


MEANINGS: Final = {
    "RCVD": Meaning.RECEIVED,
    "ACTC": Meaning.RECEIVED,
    "ACCP": Meaning.ACCEPTED,
    "ACSP": Meaning.ACCEPTED,
    "ACWC": Meaning.ACCEPTED,
    "ACSC": Meaning.SETTLED,
    "ACCC": Meaning.CREDITED,
    "PDNG": Meaning.PENDING,
    "PART": Meaning.PARTLY,
    "RJCT": Meaning.REJECTED,
    "CANC": Meaning.REJECTED,
}


@dataclass(frozen=True, slots=True)
class Reason:
    """`code`: of the external list or the bank's own; `text`: the bank's words."""

    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One statement of the bank's; `line` of the file where it ends.

    `code` is inherited from the level above where none is given, and is empty where none is at
    all. `reference`: the payment attempt's, at the level of transactions.
    """

    line: int
    level: Level
    message_id: str
    information_id: str = ""
    reference: str = ""
    code: str
    reasons: tuple[Reason, ...] = ()

    @property
    def meaning(self) -> Meaning:
        """What the code means; a code that nobody knows is for a person."""
        return MEANINGS.get(self.code, Meaning.UNKNOWN)


def read(chunks: Iterable[bytes]) -> Iterator[Status]:
    """All statements, in the order in which they end in the file. Raises `CannotBeParsed`."""
    group: Status | None = None
    for element in parse(chunks, _WANTED):
        match local_name(element):
            case "OrgnlGrpInfAndSts":
                group = _group(element)
                yield group
            case "OrgnlPmtInfAndSts":
                if text_at(element, "PmtInfSts"):
                    yield _payment(element, group)
            case _:
                yield _transaction(element, group)


_WANTED: Final = frozenset({"OrgnlGrpInfAndSts", "OrgnlPmtInfAndSts", "TxInfAndSts"})


def _group(element: "etree._Element") -> Status:
    return Status(
        line=element.sourceline or 1,
        level=Level.GROUP,
        message_id=text_at(element, "OrgnlMsgId"),
        code=text_at(element, "GrpSts"),
        reasons=_reasons(element),
    )


def _payment(element: "etree._Element", group: Status | None) -> Status:
    return Status(
        line=element.sourceline or 1,
        level=Level.PAYMENT,
        message_id=group.message_id if group else "",
        information_id=text_at(element, "OrgnlPmtInfId"),
        code=text_at(element, "PmtInfSts"),
        reasons=_reasons(element),
    )


def _transaction(element: "etree._Element", group: Status | None) -> Status:
    above = element.getparent()
    has_payment = above is not None and local_name(above) == "OrgnlPmtInfAndSts"
    payment = above if has_payment else None
    own = text_at(element, "TxSts")
    inherited = "" if payment is None else text_at(payment, "PmtInfSts")
    inherited = inherited or (group.code if group else "")
    reasons = _reasons(element)
    if not own and not reasons:
        reasons = () if payment is None else _reasons(payment)
        reasons = reasons or (group.reasons if group else ())
    return Status(
        line=element.sourceline or 1,
        level=Level.TRANSACTION,
        message_id=group.message_id if group else "",
        information_id="" if payment is None else text_at(payment, "OrgnlPmtInfId"),
        reference=text_at(element, "OrgnlEndToEndId") or text_at(element, "OrgnlInstrId"),
        # "Partly" says that some are refused, and nothing of those that are not named.
        code=own or ("" if inherited == "PART" else inherited),
        reasons=reasons,
    )


def _reasons(element: "etree._Element") -> tuple[Reason, ...]:
    return tuple(
        Reason(
            text_at(each, "Rsn/Cd") or text_at(each, "Rsn/Prtry"),
            " ".join((part.text or "").strip() for part in each.findall("{*}AddtlInf")),
        )
        for each in element.findall("{*}StsRsnInf")
    )
