"""Sending: plan what is new, take what waits, make it, hand it over outside any transaction."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from functools import partial
from typing import Final, Protocol

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from jetpay.base.clock import Clock
from jetpay.base.ids import CompanyId
from jetpay.base.refusals import RateLimited
from jetpay.companies.mails import BODY, RECIPIENT, TABLE, WARNINGS, Template, counted_as
from jetpay.db.pool import Database, describe_error
from jetpay.db.rows import Query
from jetpay.db.transactions import Transaction, action
from jetpay.notices.compose import Body, body_of, message_of
from jetpay.notices.content import OVERTAKEN, Overtaken, Subject, content_of
from jetpay.notices.plan import companies_with_news, plan
from jetpay.notices.queue import (
    COUNTED,
    INTERRUPTIONS,
    Claimed,
    End,
    MailState,
    again,
    claim,
    settle,
)
from jetpay.notices.smtp import MailServer, NotSent
from jetpay.security import limits
from jetpay.security.keys import Keyring
from jetpay.security.limits import LimitKind
from jetpay.security.vault import Vault
from jetpay.settings import Settings
from jetpay.translations import language

AT_ONCE: Final = 4
LOOK_EVERY_SECONDS: Final = 2.0
"""With nothing to do: once at the events, and once, for all senders, at the mails."""
DATABASE_AWAY_SECONDS: Final = 2.0
LIMITED_FOR: Final = timedelta(hours=1)
SENT: Final = "The mail server took it."
KEPT: Final = "There is no mail server: kept for 24 hours, for this is a sandbox."
TWICE: Final = " An earlier try was interrupted, so it may have arrived twice."
UNKNOWN: Final = "Given up: two tries were interrupted, so it may have arrived, even twice."
ERASED: Final = "Not sent: the person was erased."
STRANGER: Final = "Not sent: a sandbox mails its own members only."
LIMITED: Final = "The day's limit is reached."

IS_MEMBER = Query(
    bool,
    """
    select exists (
      select from member
      where company_id = %(company_id)s and lower(email) = lower(%(email)s)) as is_member
    """,
    never_null=("is_member",),
)

log = structlog.get_logger(__name__)


class HasServices(Protocol):
    """What mailing needs of a process's services."""

    @property
    def settings(self) -> Settings: ...
    @property
    def db(self) -> Database: ...
    @property
    def keyring(self) -> Keyring: ...
    @property
    def vault(self) -> Vault: ...
    @property
    def clock(self) -> Clock: ...


@dataclass(frozen=True, slots=True, repr=False)
class _Made:
    """A mail in clear, for the length of one try."""

    address: str
    company: str
    body: Body


async def run_notices(services: HasServices, stop: asyncio.Event) -> None:
    """Until `stop`; any number of processes may run it."""
    turn = asyncio.Lock()
    async with asyncio.TaskGroup() as group:
        group.create_task(_repeat(stop, partial(_plan_next, services, stop)))
        for _ in range(AT_ONCE):
            group.create_task(_repeat(stop, partial(_send_next, services, stop, turn)))


async def tick_notices(services: HasServices, *, only: CompanyId) -> None:
    """Plan and send what is due for one company, until nothing is."""
    while await _plan_for(services, only):
        pass
    while await send_one(services, only=only):
        pass


async def _repeat(stop: asyncio.Event, work: Callable[[], Awaitable[None]]) -> None:
    while not stop.is_set():
        try:
            await work()
        except (psycopg.Error, PoolTimeout) as error:
            log.warning("notices_lost_database", **describe_error(error))
            await _wait(stop, DATABASE_AWAY_SECONDS)
        except Exception as error:  # noqa: BLE001 - one failure must not end the rest
            # An exception's text may hold an address.
            log.error("notices_failed", error=type(error).__name__)  # noqa: TRY400
            await _wait(stop, LOOK_EVERY_SECONDS)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


async def _plan_next(services: HasServices, stop: asyncio.Event) -> None:
    if not await plan_all(services):
        await _wait(stop, LOOK_EVERY_SECONDS)


async def _send_next(services: HasServices, stop: asyncio.Event, turn: asyncio.Lock) -> None:
    async with turn:
        if stop.is_set():
            return
        mail = await claim(services.db, now=services.clock.now())
        if mail is None:
            await _wait(stop, LOOK_EVERY_SECONDS)
            return
    await _send(services, mail)


async def plan_all(services: HasServices) -> bool:
    """One step for each company with news; whether there may be more."""
    found = await companies_with_news(services.db)
    more = False
    for company_id in found:
        try:
            more |= await _plan_for(services, company_id)
        except (psycopg.Error, PoolTimeout):
            raise
        except Exception as error:  # noqa: BLE001 - the mails of the others go on
            name = type(error).__name__
            log.error("planning_failed", company=str(company_id), error=name)  # noqa: TRY400
    return more


async def _plan_for(services: HasServices, company_id: CompanyId) -> bool:
    return await plan(
        services.db,
        company_id,
        vault=services.vault,
        keyring=services.keyring,
        can_mail=services.settings.can_mail,
        now=services.clock.now(),
    )


async def send_one(services: HasServices, *, only: CompanyId | None = None) -> bool:
    """The mail that has waited longest; whether there was one."""
    mail = await claim(services.db, now=services.clock.now(), only=only)
    if mail is None:
        return False
    await _send(services, mail)
    return True


async def _send(services: HasServices, mail: Claimed) -> None:
    try:
        end = await _try(services, mail)
    except (psycopg.Error, PoolTimeout):
        raise
    except Exception as error:  # noqa: BLE001 - the others go on
        log.error("mail_failed", mail=str(mail.mail_id), error=type(error).__name__)  # noqa: TRY400
        end = again(mail, "It could not be made.", now=services.clock.now())
    await settle(services.db, mail, end, now=services.clock.now())


async def _try(services: HasServices, mail: Claimed) -> End:
    if mail.interrupted >= INTERRUPTIONS:
        return End(MailState.DROPPED, UNKNOWN)
    now = services.clock.now()
    made = await _make(services.db, services, mail, now=now)
    if isinstance(made, End):
        return made
    url = services.settings.smtp_url
    if url is None:
        return await _keep(services.db, services, mail, made)
    try:
        if not mail.is_counted:
            counted = counted_as(services.keyring, made.address)
            await _count(services.db, mail, counted, now=now)
    except RateLimited:
        return again(mail, LIMITED, now=now, pause=LIMITED_FOR)
    twice = TWICE if mail.interrupted else ""
    try:
        await MailServer.of(url).send(_message(services.settings, mail, made, now))
    except NotSent as refused:
        log.warning(
            "mail_not_sent", mail=str(mail.mail_id), template=mail.template, why=str(refused)
        )
        if refused.for_good:
            return End(MailState.REFUSED, str(refused) + twice)
        return again(mail, str(refused) + twice, now=services.clock.now())
    return End(MailState.SENT, SENT + twice)


@action
async def _make(
    tx: Transaction, services: HasServices, mail: Claimed, *, now: datetime
) -> _Made | End:
    """The mail in clear, committed before it leaves: its code is the living one."""
    if mail.recipient is None:
        return End(MailState.DROPPED, ERASED)
    opened = await services.vault.open(
        tx, mail.company_id, table=TABLE, column=RECIPIENT, row_key=mail.mail_id.bytes,
        blob=mail.recipient,
    )  # fmt: skip
    address = str(opened["address"])
    if mail.sandbox and services.settings.can_mail:
        is_member = await IS_MEMBER.one(tx, company_id=mail.company_id, email=address)
        if not is_member:
            return End(MailState.DROPPED, STRANGER)
    spoken = language(mail.language)
    try:
        content = await content_of(
            tx,
            Subject(
                mail.company_id, mail.mail_id, mail.template, mail.credit_id, mail.link_version,
                mail.event_id,
            ),
            spoken,
            keyring=services.keyring,
            public_url=services.settings.public_url,
            now=now,
        )  # fmt: skip
    except Overtaken:
        return End(MailState.DROPPED, OVERTAKEN)
    return _Made(address, content.company, body_of(mail.template, content, spoken))


@action
async def _keep(tx: Transaction, services: HasServices, mail: Claimed, made: _Made) -> End:
    """Only a sandbox plans mails without a mail server."""
    if not mail.sandbox:
        return End(MailState.DROPPED, "Not sent: there is no mail server any more.")
    body = await services.vault.seal(
        tx, mail.company_id, table=TABLE, column=BODY, row_key=mail.mail_id.bytes,
        value={"subject": made.body.subject, "text": made.body.text},
    )  # fmt: skip
    return End(MailState.KEPT, KEPT, body=body)


@action
async def _count(tx: Transaction, mail: Claimed, address: str, *, now: datetime) -> None:
    """Once a mail, however often it is tried. Refuses `RateLimited`, and then counts nothing."""
    kind = LimitKind.MAIL_SANDBOX if mail.sandbox else LimitKind.MAIL_LIVE
    await limits.take(tx, str(mail.company_id), kind, now=now, at_most=mail.mails_a_day)
    if mail.template is not Template.CODE:  # those were counted when they were asked for
        is_warning = mail.template in WARNINGS
        of_address = LimitKind.WARNING_ADDRESS if is_warning else LimitKind.MAIL_ADDRESS
        await limits.take(tx, address, of_address, now=now)
    await COUNTED.run(tx, company_id=mail.company_id, mail_id=mail.mail_id, token=mail.lease_token)


def _message(settings: Settings, mail: Claimed, made: _Made, now: datetime) -> EmailMessage:
    assert settings.mail_from is not None
    # A mail that may arrive twice has one identifier; a code is a new one at each try.
    identifier = f"{mail.mail_id}.{mail.tries}" if mail.template is Template.CODE else mail.mail_id
    return message_of(
        made.body,
        to=made.address,
        sender=settings.mail_from,
        company=made.company,
        language=language(mail.language),
        identifier=str(identifier),
        at=now,
    )
