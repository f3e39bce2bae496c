"""The simulated bank: from a file's bytes to everything it will ever answer, and when."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from jetpay.bank_files.model import Item, ItemKind
from jetpay.base.ids import BankFileId
from jetpay.rails.profiles import Profile, business_day_after, debited_on
from jetpay.rails.sandbox import Entry, ReadFile
from jetpay.sandbox.magic import Ending, Magic, magic_of

REPORTS_AT = time(10)
"""Of the bank's day: after the debits, which are at its start."""
SLOW_DAYS = 2
RETURN_DAYS = 1
REPEAT_DAYS = 2
LATE_DAYS_MORE = 3


@dataclass(frozen=True, slots=True)
class Reply:
    """A report that the bank hands back at `at`."""

    at: datetime
    items: tuple[Item, ...]


def replies(
    profile: Profile, bank_file_id: BankFileId, file: ReadFile, received_at: datetime
) -> list[Reply]:
    """Everything the bank will say about a file, in order; the same for the same file."""
    meant = [(entry, magic_of(entry.account)) for entry in file.entries]
    endings = {magic.ending: magic for _, magic in meant}
    refused = endings.get(Ending.FILE_REFUSED)
    if refused is not None:
        assert refused.reason is not None, "a refusal has its reason"
        word = Item(kind=ItemKind.REFUSED, bank_file_id=bank_file_id, code=refused.reason.name)
        return [Reply(received_at, (word,))]
    said: defaultdict[datetime, list[Item]] = defaultdict(list)
    if Ending.FILE_UNANSWERED not in endings:
        slow = Ending.FILE_SLOW in endings
        when = _report_time(profile, received_at, SLOW_DAYS) if slow else received_at
        said[when].append(Item(kind=ItemKind.ACKNOWLEDGED, bank_file_id=bank_file_id))
    debited = debited_on(profile, file.value_date, received_at)
    for entry, magic in meant:
        for when, item in _of_payment(profile, entry, magic, debited, received_at):
            said[when].append(item)
    return [Reply(when, tuple(said[when])) for when in sorted(said)]


def _of_payment(
    profile: Profile, entry: Entry, magic: Magic, debited: date, received_at: datetime
) -> Iterator[tuple[datetime, Item]]:
    def on(days: int) -> datetime:
        return max(received_at, _report_on(profile, debited, days))

    late = profile.return_days + LATE_DAYS_MORE
    match magic.ending:
        case Ending.REJECTED:
            yield received_at, _item(entry, magic, ItemKind.REJECTED)
        case Ending.RETURNED:
            yield on(RETURN_DAYS), _item(entry, magic, ItemKind.RETURNED)
        case Ending.RETURNED_LATE:
            yield on(late), _item(entry, magic, ItemKind.RETURNED)
        case Ending.RETURNED_TWICE:
            yield on(RETURN_DAYS), _item(entry, magic, ItemKind.RETURNED)
            yield on(REPEAT_DAYS), _item(entry, magic, ItemKind.RETURNED)
        case Ending.CONTRADICTED:
            yield on(RETURN_DAYS), _item(entry, magic, ItemKind.RETURNED)
            yield on(REPEAT_DAYS), _item(entry, magic, ItemKind.PAID)
        case Ending.CONFIRMED:
            yield on(0), _item(entry, magic, ItemKind.PAID)
        case Ending.WRONG_AMOUNT:
            yield on(RETURN_DAYS), _item(entry, magic, ItemKind.RETURNED, more=1)


def _item(entry: Entry, magic: Magic, kind: ItemKind, more: int = 0) -> Item:
    return Item(
        kind=kind,
        reference=entry.reference,
        amount=entry.amount + more,
        code=None if magic.reason is None else magic.reason.name,
    )


def _report_time(profile: Profile, after: datetime, days: int) -> datetime:
    return _report_on(profile, after.astimezone(ZoneInfo(profile.zone)).date(), days)


def _report_on(profile: Profile, day: date, days: int) -> datetime:
    zone = ZoneInfo(profile.zone)
    local = datetime.combine(business_day_after(profile, day, days), REPORTS_AT, zone)
    return local.astimezone(UTC)
