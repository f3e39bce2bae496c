"""Mails through a real mail server: taken, refused, slow, dying, and never from two workers."""

import asyncio
import dataclasses
import ssl
from datetime import datetime
from pathlib import Path

import pytest

from jetpay.base.clock import FixedClock
from jetpay.companies.model import Role
from jetpay.credits.actions import reissue_link
from jetpay.credits.readdress import readdress
from jetpay.db.pool import Database
from jetpay.db.rows import Command, Query
from jetpay.events.model import OPERATOR
from jetpay.events.queries import events_after
from jetpay.notices.compose import Body, message_of
from jetpay.notices.content import OVERTAKEN
from jetpay.notices.queue import Claimed, claim
from jetpay.notices.send import (
    LIMITED,
    SENT,
    STRANGER,
    TWICE,
    UNKNOWN,
    plan_all,
    run_notices,
    send_one,
)
from jetpay.notices.smtp import MailServer, NotSent
from jetpay.security.secrets import Secret
from jetpay.translations import language
from tests.dial.certificates import Certificates
from tests.notices.conftest import DAY, HOUR, MINUTE, SENDER, Office, link_in, new_office
from tests.notices.postbox import Postbox, part_of, postbox
from tests.patience import wait_until_async
from tests.world import NOON, make_company

END_LEASES = Command("update mail set lease_until = '-infinity' where company_id = %(company_id)s")
TRANSACTIONS = Query(
    int,
    """
    select count(*)::int as open from pg_stat_activity
    where datname = current_database() and state like 'idle in transaction%%'
    """,
    never_null=("open",),
)


async def test_a_payee_with_notify_gets_the_link_and_one_without_gets_nothing(
    office: Office, box: Postbox
) -> None:
    await office.credit(notify=False)
    await office.credit()
    await office.deliver()
    [mail] = box.mails
    assert box.envelopes == [(SENDER, office.payee)]
    assert mail["From"] == f"Acme Example via Jetpay <{SENDER}>"
    assert mail["Subject"] == "A payment is waiting for you"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Content-Language"] == "en-CA"
    assert mail["Message-ID"].endswith("@jetpay.example>")
    link = link_in(part_of(mail, "plain"))
    assert link.startswith("/payment/pay/")
    assert f'href="http://127.0.0.1:8080{link}"' in part_of(mail, "html")
    assert await office.told() == [f"claim to {office.payee}: sent"]


async def test_an_event_is_told_once_however_often_it_is_planned(
    office: Office, box: Postbox
) -> None:
    await office.credit()
    await asyncio.gather(*(office.deliver() for _ in range(8)))
    assert len(box.mails) == 1


async def test_of_two_workers_one_sends(office: Office, box: Postbox) -> None:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(run_notices(office.services, stop))
        await asyncio.gather(*(office.credit() for _ in range(4)))

        async def all_sent() -> bool:
            return len(await office.mails()) == 4 and not any(
                each.state == "waiting" for each in await office.mails()
            )

        await wait_until_async(all_sent)
        stop.set()
    ours = [mail["Message-ID"] for mail in box.mails if mail["To"] == office.payee]
    assert (len(ours), len(set(ours))) == (4, 4)


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "."])
async def test_a_refusal_for_good_ends_it(office: Office, box: Postbox, verb: str) -> None:
    box.answers[verb] = "550 no such person"
    await office.credit()
    await office.deliver()
    assert await office.told() == [f"claim to {office.payee}: refused"]
    assert await office.outcomes() == ["The mail server refused it with 550."]


@pytest.mark.parametrize(
    "trouble",
    [
        {"answers": {"RCPT": "450 later"}},
        {"answers": {"hello": "554 not now"}},
        {"answers": {"EHLO": "502 never heard", "HELO": "502 never heard"}},
        {"breaks_at": "MAIL"},
        {"breaks_at": "DATA"},
        {"breaks_at": "."},
    ],
)
async def test_what_fails_is_tried_again_after_a_pause(
    office: Office, box: Postbox, turned: FixedClock, trouble: dict[str, object]
) -> None:
    for name, value in trouble.items():
        setattr(box, name, value)
    await office.credit()
    await office.deliver()
    calls = box.calls
    assert await office.told() == [f"claim to {office.payee}: waiting"]
    await office.deliver()
    assert box.calls == calls, "it is left alone for a while"
    box.answers, box.breaks_at = {}, None
    turned.at += MINUTE
    await office.deliver()
    assert await office.told() == [f"claim to {office.payee}: sent"]
    assert len(box.mails) == 1


async def test_a_mail_with_an_old_link_is_not_sent_any_more(
    office: Office, box: Postbox, turned: FixedClock
) -> None:
    box.answers["RCPT"] = "450 later"
    credit_id = await office.credit()
    await office.deliver()
    await reissue_link(
        office.services.db, office.company.company_id, credit_id, link_key_id=1, by=OPERATOR,
        at=turned.at, now=turned.at,
    )  # fmt: skip
    box.answers = {}
    turned.at += MINUTE
    await office.deliver()
    assert len(box.mails) == 1
    assert await office.outcomes() == [OVERTAKEN, SENT]


async def test_a_mail_is_given_up_after_two_days(
    office: Office, box: Postbox, turned: FixedClock
) -> None:
    box.answers["RCPT"] = "450 later"
    await office.credit()
    for _ in range(20):
        await office.deliver()
        turned.at += 6 * HOUR
    assert await office.told() == [f"claim to {office.payee}: dropped"]
    [outcome] = await office.outcomes()
    assert outcome == "The mail server refused it with 450. Given up after two days."


async def test_no_transaction_is_open_while_a_mail_server_is_slow(
    office: Office, box: Postbox
) -> None:
    box.waits_at = "DATA"
    await office.credit()
    async with asyncio.TaskGroup() as group:
        group.create_task(office.deliver())
        await box.arrived.wait()
        assert await TRANSACTIONS.one(office.services.db) == 0
        # Somebody else's work goes on, a bank file's among it.
        assert not await send_one(office.services, only=office.company.company_id)
        box.goes_on.set()
    assert await office.told() == [f"claim to {office.payee}: sent"]


async def test_a_worker_killed_after_sending_sends_twice_at_most_and_says_so(
    office: Office, box: Postbox
) -> None:
    company_id = office.company.company_id
    await office.credit()
    box.waits_at = "QUIT"  # the mail is taken, and nobody has heard it
    victim = asyncio.create_task(office.deliver())
    await box.arrived.wait()
    victim.cancel()
    await asyncio.gather(victim, return_exceptions=True)
    box.waits_at = None
    assert len(box.mails) == 1
    await END_LEASES.run(office.services.db, company_id=company_id)
    await office.deliver()
    assert len(box.mails) == 2
    assert len({mail["Message-ID"] for mail in box.mails}) == 1
    [outcome] = await office.outcomes()
    assert outcome is not None
    assert outcome.endswith(TWICE)


async def test_a_mail_that_was_interrupted_twice_is_not_sent_again(
    office: Office, box: Postbox
) -> None:
    company_id = office.company.company_id
    await office.credit()
    box.waits_at = "DATA"
    for _ in range(2):
        box.arrived.clear()
        victim = asyncio.create_task(office.deliver())
        await box.arrived.wait()
        victim.cancel()
        await asyncio.gather(victim, return_exceptions=True)
        await END_LEASES.run(office.services.db, company_id=company_id)
    box.waits_at = None
    calls = box.calls
    await office.deliver()
    assert box.calls == calls
    assert await office.outcomes() == [UNKNOWN]


async def test_whoever_lost_the_lease_writes_nothing_down(office: Office, box: Postbox) -> None:
    company_id = office.company.company_id
    await office.credit()
    box.waits_at = "."
    slow = asyncio.create_task(office.deliver())
    await box.arrived.wait()
    await END_LEASES.run(office.services.db, company_id=company_id)
    other = await claim(office.services.db, now=office.services.clock.now(), only=company_id)
    assert other is not None
    assert other.interrupted == 1
    box.goes_on.set()
    await slow
    assert await office.told() == [f"claim to {office.payee}: waiting"]


async def test_a_payee_gets_five_mails_a_day_from_all_companies_together(
    office: Office, box: Postbox, turned: FixedClock
) -> None:
    other = await make_company(office.services)
    second = await new_office(office.services, other, office.payee)
    await second.member(office.payee, Role.VIEWER)
    for _ in range(4):
        await office.credit()
    for _ in range(3):
        await second.credit()
    await office.deliver()
    await second.deliver()
    assert len(box.mails) == 5
    waiting = [each for each in await second.mails() if each.state == "waiting"]
    assert [each.outcome for each in waiting] == [f"{LIMITED} It is tried again."] * 2
    turned.at += DAY + HOUR
    await second.deliver()
    assert len(box.mails) == 7


async def test_a_company_mails_so_many_a_day_and_the_operator_may_change_it(
    office: Office, box: Postbox, turned: FixedClock
) -> None:
    await office.settle(mails_a_day=2)
    for _ in range(3):
        await office.credit()
    await office.deliver()
    assert len(box.mails) == 2
    await office.settle(mails_a_day=50)
    turned.at += 2 * HOUR
    await office.deliver()
    assert len(box.mails) == 3


async def test_a_sandbox_mails_its_own_members_only(office: Office, box: Postbox) -> None:
    stranger = await make_company(office.services)
    other = await new_office(office.services, stranger)
    await other.credit()
    await other.deliver()
    assert box.calls == 0
    assert await other.outcomes() == [STRANGER]


async def test_without_starttls_nothing_is_said(box: Postbox, certificates: Certificates) -> None:
    message = message_of(
        Body("s", "t", "<p>h</p>"), to="robin@example.com", sender=SENDER, company="Acme",
        language=language("en"), identifier="1", at=NOON,
    )  # fmt: skip
    strict = dataclasses.replace(MailServer.of(Secret(box.url)), starttls=True)
    with pytest.raises(NotSent, match="STARTTLS"):
        await strict.send(message)
    box.tls = certificates.server("127.0.0.1")
    with pytest.raises(NotSent, match="cannot be trusted"):
        await strict.send(message)
    assert box.mails == []
    await strict.send(message, trusted=certificates.trusting("127.0.0.1"))
    assert box.was_encrypted
    assert len(box.mails) == 1
    async with postbox(implicit=certificates.server("127.0.0.1")) as from_the_start:
        url = from_the_start.url.replace("smtp", "smtps")
        with pytest.raises(NotSent, match="cannot be trusted"):
            await MailServer.of(Secret(url)).send(message)
        trusted: ssl.SSLContext = certificates.trusting("127.0.0.1")
        await MailServer.of(Secret(url)).send(message, trusted=trusted)
        assert len(from_the_start.mails) == 1


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


@pytest.mark.parametrize(
    "url, tls, starttls, port",
    [
        ("smtp://mail.example", False, True, 587),
        ("smtps://mail.example", True, False, 465),
        ("smtp://127.0.0.1:25", False, False, 25),
        ("smtp://localhost", False, False, 587),
        ("smtp://u%40a:p%2Fw@mail.example:2525", False, True, 2525),
    ],
)
def test_only_this_machine_is_spoken_to_in_clear(
    url: str, tls: bool, starttls: bool, port: int
) -> None:
    server = MailServer.of(Secret(url))
    assert (server.tls, server.starttls, server.port) == (tls, starttls, port)
    if "@" in url:
        assert (server.user, server.password) == ("u@a", Secret("p/w"))


async def test_events_are_not_passed_over_while_nobody_plans(office: Office, box: Postbox) -> None:
    for _ in range(3):
        await office.credit()
    found = await events_after(office.services.db, office.company.company_id, 0, limit=100)
    assert [each.type for each in found].count("transactions.credits.created") == 3
    await office.deliver()
    assert len(await office.mails()) == 3


async def test_mails_that_somebody_provokes_keep_no_warning_away(
    office: Office, box: Postbox
) -> None:
    await office.settle(mails_a_day=500)
    for _ in range(6):
        await office.credit()
    credit_id = await office.credit(notify=False)
    await office.deliver()
    assert len(box.mails) == 5
    services, company_id = office.services, office.company.company_id
    now = services.clock.now()
    await readdress(
        services.db, company_id, credit_id, email="new@example.com", by=OPERATOR, at=now, now=now,
        link_key_id=services.keyring.active("link").number,
    )  # fmt: skip
    await office.deliver()
    assert f"readdressed to {office.payee}: sent" in await office.told()


async def test_what_follows_a_plus_makes_no_other_address(office: Office, box: Postbox) -> None:
    local, _, domain = office.payee.partition("@")
    for number in range(3):
        other = await new_office(office.services, office.company, f"{local}+{number}@{domain}")
        await other.member(other.payee, Role.VIEWER)
        await other.credit()
        await other.credit()
    await office.deliver()
    assert len(box.mails) == 5


async def test_idle_one_sender_looks_for_all(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    services, stop, looks = office.services, asyncio.Event(), 0
    while await plan_all(services) or await send_one(services):
        pass

    async def counted(db: Database, *, now: datetime) -> Claimed | None:
        nonlocal looks
        looks += 1
        return await claim(db, now=now)

    async def have_looked() -> bool:
        return looks > 0

    monkeypatch.setattr("jetpay.notices.send.claim", counted)
    monkeypatch.setattr("jetpay.notices.send.LOOK_EVERY_SECONDS", 60.0)
    running = asyncio.create_task(run_notices(services, stop))
    await wait_until_async(have_looked)
    await asyncio.sleep(0.2)
    stop.set()
    await running
    assert looks == 1
