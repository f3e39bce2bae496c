"""ISO 20022 camt.053 and camt.054: statements and advices of the bank's, versions .02 to .14."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Final

from jetpay.rails.iso20022 import CannotBeParsed, local_name, minor_units, parse, text_at

if TYPE_CHECKING:
    from lxml import etree

DETAILS_MAXIMUM: Final = 100_000
"""Of one entry."""
_ACCOUNTS: Final = frozenset({"Stmt", "Ntfctn", "Rpt"})
_WANTED: Final = _ACCOUNTS | {"Ntry", "TxDtls"}
_CREDIT, _DEBIT = "CRDT", "DBIT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """One payment of an entry; `amount` in minor units, none where only the entry tells one.

    `return_code`: why it came back, which makes it a return.
    """

    reference: str
    instruction: str
    message_id: str
    information_id: str
    amount: int | None
    return_code: str
    return_text: str
    remittance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of the statement; `amount` in minor units, negative when the account is debited.

    `is_booked`: false for what is only announced. `batch_count`: payments of one debit for all.
    """

    line: int
    amount: int
    currency: str
    is_reversal: bool
    is_booked: bool
    booked_on: date | None
    value_on: date | None
    bank_reference: str
    code: str
    batch_count: int | None
    message_id: str
    information_id: str
    details: tuple[Detail, ...]

    @property
    def is_return(self) -> bool:
        """Whether the bank gives back what a payment had moved."""
        return self.amount > 0 and (
            self.code.endswith("/RRTN") or any(each.return_code for each in self.details)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What stands around the entries; it comes behind them. Balances in minor units, signed.

    `adds_up`: opening and booked entries make the closing balance; none without both balances.
    """

    line: int
    identifier: str
    sequence: str
    currency: str
    opening: int | None
    closing: int | None
    entries: int
    adds_up: bool | None
    account: str = field(repr=False)


def read(chunks: Iterable[bytes]) -> Iterator[Entry | Statement]:
    """Each entry, and behind its entries the statement. Raises `CannotBeParsed`."""
    details: list[Detail] = []
    count = moved = 0
    for element in parse(chunks, _WANTED):
        match local_name(element):
            case "TxDtls":
                if len(details) == DETAILS_MAXIMUM:
                    raise CannotBeParsed("an entry has too many details", _line(element))
                details.append(_detail(element))
            case "Ntry":
                entry = _entry(element, tuple(details))
                details.clear()
                count, moved = count + 1, moved + (entry.amount if entry.is_booked else 0)
                yield entry
            case _:
                yield _statement(element, count, moved)
                count = moved = 0


def _entry(element: "etree._Element", details: tuple[Detail, ...]) -> Entry:
    batch = element.find("{*}NtryDtls/{*}Btch")
    number = "" if batch is None else text_at(batch, "NbOfTxs")
    return Entry(
        line=_line(element),
        amount=_signed(element),
        currency=_currency(element),
        is_reversal=text_at(element, "RvslInd") in ("true", "1"),
        # Text until version .07, a code below it since .08.
        is_booked=(text_at(element, "Sts/Cd") or text_at(element, "Sts")) == "BOOK",
        booked_on=_day(element, "BookgDt"),
        value_on=_day(element, "ValDt"),
        bank_reference=text_at(element, "AcctSvcrRef"),
        code=_code(element),
        batch_count=int(number) if number.isdecimal() else None,
        message_id="" if batch is None else text_at(batch, "MsgId"),
        information_id="" if batch is None else text_at(batch, "PmtInfId"),
        details=details,
    )


def _detail(element: "etree._Element") -> Detail:
    amount = text_at(element, "Amt") or text_at(element, "AmtDtls/TxAmt/Amt")
    return Detail(
        reference=text_at(element, "Refs/EndToEndId"),
        instruction=text_at(element, "Refs/InstrId"),
        message_id=text_at(element, "Refs/MsgId"),
        information_id=text_at(element, "Refs/PmtInfId"),
        amount=minor_units(amount) if amount else None,
        return_code=text_at(element, "RtrInf/Rsn/Cd") or text_at(element, "RtrInf/Rsn/Prtry"),
        return_text=" ".join(_texts(element, "{*}RtrInf/{*}AddtlInf")),
        remittance=" ".join(_texts(element, "{*}RmtInf/{*}Ustrd")),
    )


def _statement(element: "etree._Element", count: int, moved: int) -> Statement:
    balances = {text_at(each, "Tp/CdOrPrtry/Cd"): each for each in element.findall("{*}Bal")}
    opening = _balance(balances.get("OPBD", balances.get("PRCD")))
    closing = _balance(balances.get("CLBD"))
    both = opening is not None and closing is not None
    return Statement(
        line=_line(element),
        identifier=text_at(element, "Id"),
        sequence=text_at(element, "ElctrncSeqNb") or text_at(element, "LglSeqNb"),
        account=text_at(element, "Acct/Id/IBAN") or text_at(element, "Acct/Id/Othr/Id"),
        currency=text_at(element, "Acct/Ccy"),
        opening=opening,
        closing=closing,
        entries=count,
        adds_up=(opening or 0) + moved == closing if both else None,
    )


def _balance(element: "etree._Element | None") -> int | None:
    return None if element is None else _signed(element)


def _signed(element: "etree._Element") -> int:
    amount, side = minor_units(text_at(element, "Amt")), text_at(element, "CdtDbtInd")
    if amount is None or side not in (_CREDIT, _DEBIT):
        raise CannotBeParsed("an amount or its side is none", _line(element))
    return amount if side == _CREDIT else -amount


def _currency(element: "etree._Element") -> str:
    amount = element.find("{*}Amt")
    return "" if amount is None else str(amount.get("Ccy") or "")


def _code(element: "etree._Element") -> str:
    """As in `PMNT/ICDT/ESCT`; the bank's own code where it has no other."""
    at = "BkTxCd/Domn"
    parts = (f"{at}/Cd", f"{at}/Fmly/Cd", f"{at}/Fmly/SubFmlyCd")
    return "/".join(filter(None, (text_at(element, path) for path in parts))) or text_at(
        element, "BkTxCd/Prtry/Cd"
    )


def _day(element: "etree._Element", name: str) -> date | None:
    text = text_at(element, f"{name}/Dt") or text_at(element, f"{name}/DtTm")[:10]
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise CannotBeParsed("a day is none", _line(element)) from None


def _texts(element: "etree._Element", path: str) -> Iterator[str]:
    return ((each.text or "").strip() for each in element.findall(path))


def _line(element: "etree._Element") -> int:
    return element.sourceline or 1
