"""Reports in: items are matched by reference, one outcome per attempt; nothing is guessed.

Every item is kept as evidence, whatever it moved, and the same report read twice moves nothing.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from jetpay.bank_files.cash import Refund, post_refunds
from jetpay.bank_files.model import (
    MAY_BE_AT_BANK,
    OUTCOMES,
    BankFile,
    FileState,
    Item,
    ItemKind,
    Report,
    Result,
    lock_files,
)
from jetpay.bank_files.states import MOVES, move_file
from jetpay.base.ids import BankFileId, CompanyId, CreditId, uuid7
from jetpay.companies import due
from jetpay.credits.model import LockedCredit, Outcome, State
from jetpay.credits.outcomes import Answer, can_end, end_with_answers, settle
from jetpay.credits.states import lock
from jetpay.db.pool import Database
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import Transaction, action
from jetpay.events.model import REPORT_READER
from jetpay.rails.fail_reasons import reason_for
from jetpay.security.vault import Vault

ITEMS_AT_ONCE = 1_000
VERDICTS = {
    ItemKind.ACKNOWLEDGED: FileState.ACKNOWLEDGED,
    ItemKind.REFUSED: FileState.REJECTED,
}
"""What a bank's word about a whole file makes of it."""


@dataclass(frozen=True, slots=True)
class _Filed:
    """An attempt that a reference names, as it is in the database."""

    reference: str
    credit_id: CreditId
    attempt: int
    amount: int
    bank_file_id: BankFileId | None
    outcome: Outcome | None
    outcome_code: str | None


@dataclass(frozen=True, slots=True)
class _Verdict:
    result: Result
    explanation: str | None = None


APPLIED = _Verdict(Result.APPLIED)
REPEATED = _Verdict(Result.REPEATED)


def _unmatched(explanation: str) -> _Verdict:
    return _Verdict(Result.UNMATCHED, explanation)


@dataclass(slots=True)
class _Reading:
    """What is known while the items of one transaction are judged, in their order."""

    rail: str
    files: dict[BankFileId, BankFile]
    filed: dict[str, _Filed]
    credits: dict[CreditId, LockedCredit]
    answers: dict[CreditId, Answer] = field(default_factory=dict)
    paid: dict[CreditId, None] = field(default_factory=dict)
    refunds: list[Refund] = field(default_factory=list)


RECORDED = Query(
    int,
    """
    select position from bank_report_item
    where company_id = %(company_id)s and report_sha256 = %(sha256)s
    """,
)
BY_REFERENCE = Query(
    _Filed,
    """
    select w.reference, a.credit_id, a.attempt, a.amount, a.bank_file_id, a.outcome,
           a.outcome_code
    from unnest(%(references)s::text[]) as w(reference)
    join lateral (
      select credit_id, attempt, amount, bank_file_id, outcome, outcome_code
      from payment_attempt
      where company_id = %(company_id)s and from_bank_account_id = %(bank_account_id)s
        and reference = w.reference limit 1) a on true
    """,
    never_null=("reference",),
)
RAIL = Query(
    str,
    """
    select rail from bank_account
    where company_id = %(company_id)s and bank_account_id = %(bank_account_id)s
    """,
    never_null=("rail",),
)
KEEP = Command(
    """
    insert into bank_report_item (company_id, item_id, bank_account_id, report_sha256, position,
      kind, bank_file_id, reference, amount, code, received_at, result, explanation)
    select %(company_id)s, i.item_id, %(bank_account_id)s, %(sha256)s, i.position, i.kind,
           i.bank_file_id, i.reference, i.amount, i.code, %(at)s, i.result, i.explanation
    from unnest(%(ids)s::uuid[], %(positions)s::int[], %(kinds)s::text[], %(files)s::uuid[],
                %(references)s::text[], %(amounts)s::bigint[], %(codes)s::text[],
                %(results)s::text[], %(explanations)s::text[])
      as i(item_id, position, kind, bank_file_id, reference, amount, code, result, explanation)
    on conflict (company_id, report_sha256, position) do nothing
    """
)


async def read_report(
    db: Database, vault: Vault, company_id: CompanyId, report: Report, *, at: datetime
) -> Counter[Result]:
    """Apply what a bank says; how many items were applied, repeated and unmatched this time."""
    counts: Counter[Result] = Counter()
    for start in range(0, len(report.items), ITEMS_AT_ONCE):
        counts += await read_items(db, vault, company_id, report, start=start, at=at)
    return counts


@action
async def read_items(
    tx: Transaction,
    vault: Vault,
    company_id: CompanyId,
    report: Report,
    *,
    start: int,
    at: datetime,
) -> Counter[Result]:
    """Apply the next items from position `start` on, those not recorded yet."""
    recorded = set(await RECORDED.all(tx, company_id=company_id, sha256=report.sha256))
    items = [
        (place, item)
        for place, item in enumerate(report.items[start : start + ITEMS_AT_ONCE], start)
        if place not in recorded
    ]
    reading = await _lock_all(tx, company_id, report, [item for _, item in items])
    verdicts = [
        await _judge_file(tx, reading, item, at=at)
        if item.reference is None
        else _judge(reading, item)
        for _, item in items
    ]
    await end_with_answers(
        tx, vault, company_id, list(reading.answers.values()), by=REPORT_READER, at=at
    )
    await settle(tx, company_id, list(reading.paid), by=REPORT_READER, at=at)
    await post_refunds(tx, company_id, reading.refunds, at=at)
    await _keep(tx, company_id, report, items, verdicts, at=at)
    return Counter(verdict.result for verdict in verdicts)


async def _lock_all(
    tx: Transaction, company_id: CompanyId, report: Report, items: Sequence[Item]
) -> _Reading:
    """Lock the files, then the credits that the items name; what is read here stays so."""
    account = report.bank_account_id
    references = sorted({item.reference for item in items if item.reference is not None})
    key = {"company_id": company_id, "bank_account_id": account, "references": references}
    named = await BY_REFERENCE.all(tx, **key)
    of_items = {item.bank_file_id for item in items if item.bank_file_id is not None}
    of_attempts = {each.bank_file_id for each in named if each.bank_file_id is not None}
    files = await lock_files(tx, company_id, sorted(of_items | of_attempts))
    credits_ = await lock(tx, company_id, [each.credit_id for each in named])
    filed = await BY_REFERENCE.all(tx, **key)
    return _Reading(
        rail=await RAIL.one(tx, company_id=company_id, bank_account_id=account),
        files={id_: file for id_, file in files.items() if file.bank_account_id == account},
        filed={each.reference: each for each in filed},
        credits=credits_,
    )


async def _judge_file(tx: Transaction, reading: _Reading, item: Item, *, at: datetime) -> _Verdict:
    """What an item about a whole file does, at once."""
    file = None if item.bank_file_id is None else reading.files.get(item.bank_file_id)
    if file is None:
        return _unmatched("unknown_file")
    to = VERDICTS.get(item.kind)
    if to is None:
        return _unmatched("no_reference")
    if file.state is to:
        return REPEATED
    if (file.state, to) not in MOVES or file.debited_at is not None:
        return _unmatched("contradicts")
    moved = await move_file(tx, file, to, by=REPORT_READER, at=at, because=item.code)
    assert moved is not None, "the file is locked"
    reading.files[file.bank_file_id] = moved
    # Its debit and settlement come in their time, or its credits come back.
    await due.arm(tx, file.company_id, due.BANK_FILE, file.bank_file_id, at=at)
    return APPLIED


def _judge(reading: _Reading, item: Item) -> _Verdict:
    """What an item about a payment does, together with the others of its transaction."""
    found = reading.filed.get(item.reference or "")
    if found is None:
        return _unmatched("unknown_reference")
    if item.amount is not None and item.amount != found.amount:
        return _unmatched("another_amount")
    file = reading.files.get(found.bank_file_id) if found.bank_file_id else None
    if file is None or file.state not in MAY_BE_AT_BANK | {FileState.REJECTED}:
        return _unmatched("not_sent")
    if item.kind is ItemKind.PAID:
        return _judge_paid(reading, found)
    if item.kind not in OUTCOMES:
        return _unmatched("names_a_payment")
    return _judge_ended(reading, found, item, OUTCOMES[item.kind], file)


def _judge_paid(reading: _Reading, found: _Filed) -> _Verdict:
    credit = reading.credits[found.credit_id]
    if found.outcome is not None or found.credit_id in reading.answers:
        return _unmatched("contradicts")
    if credit.state == State.COMPLETED or found.credit_id in reading.paid:
        return REPEATED
    reading.paid[found.credit_id] = None
    return APPLIED


def _judge_ended(
    reading: _Reading, found: _Filed, item: Item, outcome: Outcome, file: BankFile
) -> _Verdict:
    pending = reading.answers.get(found.credit_id)
    ended = (
        (found.outcome, found.outcome_code)
        if found.outcome is not None
        else pending and (pending.outcome, pending.code)
    )
    if ended:
        return REPEATED if ended == (outcome, item.code) else _unmatched("contradicts")
    credit = reading.credits[found.credit_id]
    if found.credit_id in reading.paid or not can_end(credit.state, outcome):
        return _unmatched("contradicts")
    reading.answers[found.credit_id] = Answer(
        credit_id=found.credit_id,
        outcome=outcome,
        reason=reason_for(reading.rail, item.code or ""),
        code=item.code,
    )
    # A payment rejected before the debit was never taken, so nothing of it comes back.
    if not file.profile.statements and (outcome is Outcome.RETURNED or file.debited_at):
        reading.refunds.append(Refund(file, found.credit_id, found.attempt, outcome, found.amount))
    return APPLIED


async def _keep(
    tx: Transaction,
    company_id: CompanyId,
    report: Report,
    items: Sequence[tuple[int, Item]],
    verdicts: Sequence[_Verdict],
    *,
    at: datetime,
) -> None:
    await KEEP.run(
        tx,
        company_id=company_id,
        bank_account_id=report.bank_account_id,
        sha256=report.sha256,
        at=at,
        ids=[uuid7() for _ in items],
        positions=[place for place, _ in items],
        kinds=[item.kind.value for _, item in items],
        files=[item.bank_file_id for _, item in items],
        references=[item.reference for _, item in items],
        amounts=[item.amount for _, item in items],
        codes=[item.code for _, item in items],
        results=[verdict.result.value for verdict in verdicts],
        explanations=[verdict.explanation for verdict in verdicts],
    )
