"""One-time codes by mail: the second gate of larger payments, and the way out of a lock.

A code belongs to one browser: to the session that passed the question, or to the visit that found
the link locked. It exists in clear between being made and being sent, and is kept as a MAC.
"""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from jetpay.base.ids import CompanyId
from jetpay.base.refusals import RateLimited
from jetpay.companies.mails import NewMail, Template, add_mails, counted_as
from jetpay.credits.actions import CODE_TRIES
from jetpay.credits.gate import TRIES, link_locked
from jetpay.credits.page_queries import PageCredit
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import OpensTransactions, Transaction, action
from jetpay.security import limits
from jetpay.security.derivation import WorkingKey, company_mac_key
from jetpay.security.keys import Keyring, Purpose
from jetpay.security.limits import LimitKind
from jetpay.security.vault import Vault

DIGITS: Final = 6
CODE_LASTS: Final = timedelta(minutes=10)
TRIES_PER_CODE: Final = 5
PAUSE: Final = timedelta(seconds=60)
CODES_AN_HOUR: Final = 3
CODES: Final = 10
"""Of one link version."""
REPRIEVE_TRIES: Final = 3
REPRIEVES: Final = 2
"""How often a code opens a locked link version again, and for how many answers."""
FROM_AMOUNT: Final = 100_000
"""Of a live company that has settled nothing: 1,000.00."""
GATES_WITH_CODE: Final = "question+code"
KEPT: Final = timedelta(days=1)
_INFO: Final = b"jetpay.code.v1"


class NoMoreCodes(RateLimited):
    """Of this link version; the company can issue the link again."""


@dataclass(frozen=True, slots=True)
class CodeOutcome:
    """`is_known`: there was a code to compare with. `tries_left`: of it."""

    is_right: bool
    is_known: bool = True
    tries_left: int = 0
    locked: bool = False


@dataclass(frozen=True, slots=True)
class _Gate:
    codes: int
    code_wrong: int
    reprieves: int
    is_locked: bool


@dataclass(frozen=True, slots=True)
class _Sent:
    last_at: datetime | None
    lately: int


@dataclass(frozen=True, slots=True)
class _Code:
    mac: bytes
    pepper_key_id: int
    tries: int


@dataclass(frozen=True, slots=True)
class _Empty:
    holder: bytes
    created_at: datetime


# Everybody takes the gate's lock first: codes of one link are asked for and tried one by one.
LOCK_GATE: Final = Query(
    _Gate,
    """
    select codes, code_wrong, reprieves, locked_at is not null as is_locked from link_gate
    where company_id = %(company_id)s and credit_id = %(credit_id)s
      and link_version = %(link_version)s
    for no key update
    """,
    never_null=("is_locked",),
)
SENT: Final = Query(
    _Sent,
    """
    select max(created_at) as last_at,
           count(*) filter (where created_at > %(hour_ago)s) as lately
    from mail
    where company_id = %(company_id)s and credit_id = %(credit_id)s and template = 'code'
      and link_version = %(link_version)s
    """,
    never_null=("lately",),
)
COUNT_CODE: Final = Command(
    """
    update link_gate set codes = codes + 1
    where company_id = %(company_id)s and credit_id = %(credit_id)s
      and link_version = %(link_version)s
    """
)
BEGIN: Final = Command(
    """
    insert into payee_code (company_id, holder, credit_id, link_version, mail_id, created_at)
    values (%(company_id)s, %(holder)s, %(credit_id)s, %(link_version)s, %(mail_id)s, %(now)s)
    on conflict (company_id, holder) do update
      set credit_id = excluded.credit_id, link_version = excluded.link_version,
          mail_id = excluded.mail_id, mac = null, pepper_key_id = null, expires_at = null,
          tries = 0, created_at = excluded.created_at
    """
)
EMPTY: Final = Query(
    _Empty,
    """
    select holder, created_at from payee_code
    where company_id = %(company_id)s and mail_id = %(mail_id)s
    for update
    """,
)
FILL: Final = Command(
    """
    update payee_code
    set mac = %(mac)s, pepper_key_id = %(pepper)s, expires_at = %(expires_at)s, tries = 0
    where company_id = %(company_id)s and holder = %(holder)s
    """
)
IS_OUT: Final = Query(
    bool,
    """
    select true as is_out from payee_code
    where company_id = %(company_id)s and holder = %(holder)s
      and coalesce(expires_at - interval '10 minutes', created_at) > %(since)s
    """,
    never_null=("is_out",),
)
LIVING: Final = Query(
    _Code,
    """
    select mac, pepper_key_id, tries from payee_code
    where company_id = %(company_id)s and holder = %(holder)s and credit_id = %(credit_id)s
      and link_version = %(link_version)s and mac is not null and expires_at > %(now)s
      and tries < %(tries)s
    """,
    never_null=("mac", "pepper_key_id"),
)
WRONG_CODE: Final = Command(
    """
    update payee_code set tries = tries + 1
    where company_id = %(company_id)s and holder = %(holder)s
    """
)
WRONG_GATE: Final = Command(
    """
    update link_gate
    set code_wrong = code_wrong + 1,
        locked_at = case when code_wrong + 1 >= %(tries)s then coalesce(locked_at, %(now)s)
                         else locked_at end
    where company_id = %(company_id)s and credit_id = %(credit_id)s
      and link_version = %(link_version)s
    """
)
END_CODE: Final = Command(
    "delete from payee_code where company_id = %(company_id)s and holder = %(holder)s"
)
PASS: Final = Command(
    """
    update payee_session set gate = %(gate)s, seen_at = %(now)s
    where company_id = %(company_id)s and digest = %(holder)s and ended_at is null
    """
)
REPRIEVE: Final = Command(
    """
    update link_gate
    set wrong = %(wrong)s, pending = 0, locked_at = null, reprieves = reprieves + 1
    where company_id = %(company_id)s and credit_id = %(credit_id)s
      and link_version = %(link_version)s and locked_at is not null
    """
)
# The worker's sweep, over all companies.
FORGET: Final = Command("delete from payee_code where created_at < %(before)s")


def mails_reach(credit: PageCredit, *, can_mail: bool) -> bool:
    """Whether a code can get to the payee; a sandbox without a mail server shows it to its people.

    `can_mail`: the installation has a mail server.
    """
    return credit.gate_email is not None and (can_mail or credit.sandbox)


def code_required(credit: PageCredit, *, can_mail: bool, now: datetime) -> bool:
    """Whether the question alone is not enough."""
    if not mails_reach(credit, can_mail=can_mail):
        return False
    if credit.codes_until is not None and now < credit.codes_until:
        return True
    usual = None if credit.sandbox else FROM_AMOUNT
    start = usual if credit.code_from_amount is None else credit.code_from_amount
    return start is not None and credit.amount >= start


def may_be_reprieved(credit: PageCredit, *, can_mail: bool) -> bool:
    """Whether a locked link offers a code."""
    is_left = credit.reprieves < REPRIEVES and credit.code_wrong < CODE_TRIES
    return is_left and mails_reach(credit, can_mail=can_mail)


@action
async def ask_code(
    tx: Transaction,
    credit: PageCredit,
    holder: bytes,
    *,
    language: str,
    vault: Vault,
    keyring: Keyring,
    now: datetime,
) -> None:
    """Let a code be mailed to the credit's frozen address; the one before it ends.

    Refuses `RateLimited` (with when to come again) and `NoMoreCodes`. `holder`: digest of the
    browser's cookie; `now`: real time, also in a sandbox.
    """
    assert credit.gate_email is not None
    place = _place(credit)
    gate = await LOCK_GATE.one(tx, **place)
    if gate.codes >= CODES or gate.code_wrong >= CODE_TRIES:
        raise NoMoreCodes(retry_after=int(timedelta(days=1).total_seconds()))
    sent = await SENT.one(tx, hour_ago=now - timedelta(hours=1), **place)
    if sent.last_at is not None and now - sent.last_at < PAUSE:
        pause = sent.last_at + PAUSE - now
        raise RateLimited(retry_after=max(1, int(pause.total_seconds())))
    if sent.lately >= CODES_AN_HOUR:
        raise RateLimited(retry_after=int(timedelta(hours=1).total_seconds()))
    address = counted_as(keyring, credit.gate_email)
    await limits.take(tx, address, LimitKind.CODE_ADDRESS, now=now)
    mail = NewMail(
        Template.CODE,
        language,
        credit.gate_email,
        f"code:{secrets.token_hex(16)}",
        credit_id=credit.credit_id,
        link_version=credit.link_version,
    )
    await add_mails(tx, credit.company_id, [mail], vault=vault, keyring=keyring, now=now)
    await COUNT_CODE.run(tx, **place)
    await BEGIN.run(tx, holder=holder, mail_id=mail.mail_id, now=now, **place)


async def code_is_out(
    tx: OpensTransactions | Transaction, company_id: CompanyId, holder: bytes, *, now: datetime
) -> bool:
    """Whether this browser asked for one that may still arrive or be typed."""
    since = now - CODE_LASTS
    return await IS_OUT.first(tx, company_id=company_id, holder=holder, since=since) is not None


async def fill_code(
    tx: Transaction, company_id: CompanyId, mail_id: UUID, *, keyring: Keyring, now: datetime
) -> str | None:
    """A new code for this mail, in clear; None where a younger one was asked for, or too late."""
    empty = await EMPTY.first(tx, company_id=company_id, mail_id=mail_id)
    if empty is None or now - empty.created_at >= CODE_LASTS:
        return None
    code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
    pepper = keyring.active(Purpose.PEPPER)
    await FILL.run(
        tx,
        company_id=company_id,
        holder=empty.holder,
        mac=_mac(pepper, company_id, empty.holder, code),
        pepper=pepper.number,
        expires_at=now + CODE_LASTS,
    )
    return code


@action
async def try_code(
    tx: Transaction,
    credit: PageCredit,
    holder: bytes,
    typed: str,
    *,
    reopens: bool,
    keyring: Keyring,
    now: datetime,
) -> CodeOutcome:
    """Compare once. Right: the session has passed, or, if it `reopens`, the link takes answers."""
    place = _place(credit)
    gate = await LOCK_GATE.one(tx, **place)
    if gate.code_wrong >= CODE_TRIES or (reopens and gate.reprieves >= REPRIEVES):
        return CodeOutcome(is_right=False, locked=True)
    found = await LIVING.first(tx, holder=holder, tries=TRIES_PER_CODE, now=now, **place)
    if found is None:
        return CodeOutcome(is_right=False, is_known=False)
    if _is_code(typed, found, keyring, credit.company_id, holder):
        await END_CODE.run(tx, company_id=credit.company_id, holder=holder)
        if reopens:
            await REPRIEVE.run(tx, wrong=TRIES - REPRIEVE_TRIES, **place)
        else:
            await PASS.run(
                tx, company_id=credit.company_id, holder=holder, gate=GATES_WITH_CODE, now=now
            )
        return CodeOutcome(is_right=True)
    await WRONG_CODE.run(tx, company_id=credit.company_id, holder=holder)
    await WRONG_GATE.run(tx, tries=CODE_TRIES, now=now, **place)
    locks = gate.code_wrong + 1 >= CODE_TRIES
    if locks and not gate.is_locked:
        link_locked(tx, credit, now)
    left = min(TRIES_PER_CODE - found.tries, CODE_TRIES - gate.code_wrong) - 1
    return CodeOutcome(is_right=False, tries_left=left, locked=locks)


@action
async def forget_old(tx: Transaction, *, now: datetime) -> int:
    """For the worker."""
    return await FORGET.run(tx, before=now - KEPT)


def _place(credit: PageCredit) -> dict[str, object]:
    return {
        "company_id": credit.company_id,
        "credit_id": credit.credit_id,
        "link_version": credit.link_version,
    }


def _is_code(
    typed: str, found: _Code, keyring: Keyring, company_id: CompanyId, holder: bytes
) -> bool:
    code = "".join(each for each in typed if not each.isspace() and each != "-")
    if keyring.is_destroyed(Purpose.PEPPER, found.pepper_key_id):
        return False
    pepper = keyring.get(Purpose.PEPPER, found.pepper_key_id)
    return hmac.compare_digest(found.mac, _mac(pepper, company_id, holder, code))


def _mac(pepper: WorkingKey, company_id: CompanyId, holder: bytes, code: str) -> bytes:
    key = company_mac_key(pepper, company_id, _INFO)
    return hmac.digest(key, _INFO + b"\x00" + holder + code.encode("utf-8", "replace"), "sha256")
