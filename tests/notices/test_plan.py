"""What is told to whom: each template, both languages, former addresses, members, reminders."""

import re
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from email.errors import HeaderParseError
from email.message import EmailMessage

import pytest

from jetpay.base.clock import FixedClock
from jetpay.base.ids import CreditId
from jetpay.companies.mails import Template
from jetpay.companies.model import Role
from jetpay.companies.queries import business_now
from jetpay.contacts.actions import change_contact
from jetpay.contacts.erased import erase
from jetpay.credits import actions
from jetpay.credits.actions import decline, reissue_link
from jetpay.credits.attempts import Acceptance
from jetpay.credits.model import State
from jetpay.credits.queries import view
from jetpay.credits.readdress import readdress
from jetpay.db.rows import Query
from jetpay.events.model import OPERATOR, SYSTEM, Draft, EventType
from jetpay.events.record import record
from jetpay.notices.compose import Content, body_of, message_of
from jetpay.notices.queue import forget_old
from jetpay.translations import LANGUAGES, language
from jetpay.worker.advance import advance, return_now
from tests.notices.conftest import DAY, SENDER, Office, link_in
from tests.notices.postbox import part_of
from tests.payment_page.facts import ask
from tests.stage import details
from tests.world import NOON

GATE_EMAIL = Query(
    str,
    """
    select gate_email from credit where company_id = %(company_id)s and credit_id = %(credit_id)s
    """,
)


async def accept(office: Office, credit_id: CreditId, number: str = "1000001") -> None:
    await actions.accept(
        office.services.db, office.company.company_id, credit_id, vault=office.services.vault,
        details=details(number), evidence=Acceptance(gate="question"), at=await now(office),
    )  # fmt: skip


async def now(office: Office) -> datetime:
    return await business_now(office.services.db, office.company.company_id, office.services.clock)


async def reissue(office: Office, credit_id: CreditId) -> None:
    await reissue_link(
        office.services.db, office.company.company_id, credit_id, link_key_id=1, by=OPERATOR,
        at=await now(office), now=office.services.clock.now(),
    )  # fmt: skip


async def test_a_payment_is_told_from_its_link_to_its_end(quiet: Office) -> None:
    credit_id = await quiet.credit()
    await quiet.deliver()
    await accept(quiet, credit_id)
    await quiet.work()
    await advance(quiet.services, quiet.company.company_id, 8)
    await quiet.deliver()
    assert await quiet.told() == [
        f"{template} to {quiet.payee}: kept" for template in ("claim", "accepted", "paid")
    ]
    texts = [(await quiet.shown(each)).text for each in await quiet.mails()]
    assert "100.00" not in str(texts[0]), "nothing of the payment before the question"
    assert "$100.00" in str(texts[1])
    assert "•••001" in str(texts[1])


async def test_without_notify_only_the_acceptance_is_told(quiet: Office) -> None:
    credit_id = await quiet.credit(notify=False)
    await accept(quiet, credit_id)
    await quiet.work()
    await advance(quiet.services, quiet.company.company_id, 8)
    await quiet.deliver()
    assert await quiet.told() == [f"accepted to {quiet.payee}: kept"]


async def test_a_returned_payment_asks_for_other_details(quiet: Office) -> None:
    credit_id = await quiet.credit()
    await accept(quiet, credit_id)
    await advance(quiet.services, quiet.company.company_id, 1)
    await return_now(quiet.services, quiet.company.company_id, credit_id, reason="account_closed")
    await quiet.deliver()
    assert f"returned to {quiet.payee}: kept" in await quiet.told()
    [returned] = [each for each in await quiet.mails() if each.template == "returned"]
    shown = await quiet.shown(returned)
    assert link_in(str(shown.text)).startswith("/payment/pay/")


async def test_each_link_version_is_mailed_once_and_an_old_one_not_at_all(quiet: Office) -> None:
    credit_id = await quiet.credit()
    await reissue(quiet, credit_id)
    await reissue(quiet, credit_id)
    await quiet.deliver()
    assert await quiet.told() == [f"claim to {quiet.payee}: kept"]
    await reissue(quiet, credit_id)
    await quiet.deliver()
    links = {link_in(str((await quiet.shown(each)).text)) for each in await quiet.mails()}
    assert len(links) == 2


async def test_reminders_come_on_the_companys_days_until_it_is_declined(quiet: Office) -> None:
    await quiet.settle(reminder_days=[3, 7, 14])
    waits, declined = await quiet.credit(), await quiet.credit(statement="Another")
    await quiet.credit(notify=False, statement="Silent")
    await quiet.deliver()
    company_id = quiet.company.company_id
    for days, reminded in ((2, 0), (1, 2), (3, 2)):
        await advance(quiet.services, company_id, days)
        await quiet.deliver()
        assert [each.template for each in await quiet.mails()].count("reminder") == reminded
    await decline(quiet.services.db, company_id, declined, reason=None, at=await now(quiet))
    await advance(quiet.services, company_id, 10)
    await quiet.deliver()
    mails = await quiet.mails()
    reminded_ = [each.credit_id for each in mails if each.template == "reminder"]
    assert (reminded_.count(waits), reminded_.count(declined)) == (3, 1)
    due = "select 1 from due where kind = 'reminder' and company_id = %s"
    assert await ask(quiet.services.db, due, company_id) == []


async def test_another_address_kills_the_link_tells_the_old_one_and_holds(quiet: Office) -> None:
    credit_id = await quiet.credit()
    await quiet.deliver()
    company_id = quiet.company.company_id
    link = await readdress(
        quiet.services.db, company_id, credit_id, email="new@example.com", link_key_id=1,
        by=OPERATOR, at=await now(quiet), now=NOON,
    )  # fmt: skip
    assert link.link_version == 2
    await quiet.deliver()
    assert sorted(await quiet.told()) == [
        "claim to new@example.com: kept",
        f"claim to {quiet.payee}: kept",
        f"readdressed to {quiet.payee}: kept",
    ]
    audited = await ask(
        quiet.services.db, "select entry->>'act' from audit where company_id = %s", company_id
    )
    assert ("link.readdress",) in audited
    await accept(quiet, credit_id)
    await quiet.work()
    found = await view(quiet.services.db, company_id, credit_id)
    assert (found.state, found.held) == (State.INITIATED, "readdressed")


async def test_the_former_address_of_a_month_hears_of_the_acceptance(
    quiet: Office, turned: FixedClock
) -> None:
    services, company = quiet.services, quiet.company
    first = await quiet.credit()
    await change_contact(
        services.db, company.company_id, company.contact, {"email": "thief@example.com"},
        by=OPERATOR, at=await now(quiet),
    )  # fmt: skip
    second = await quiet.credit(statement="To the thief")
    await accept(quiet, second)
    await quiet.deliver()
    told = await quiet.told()
    assert f"accepted to {quiet.payee}: kept" in told
    assert "accepted to thief@example.com: kept" in told
    turned.at += 31 * DAY
    await accept(quiet, await quiet.credit(statement="Later"))
    await quiet.deliver()
    assert (await quiet.told()).count(f"accepted to {quiet.payee}: kept") == 1
    assert (
        await GATE_EMAIL.one(services.db, company_id=company.company_id, credit_id=first)
        == quiet.payee
    ), "frozen when the credit was made"


async def test_members_are_told_of_what_failed_by_their_roles(quiet: Office) -> None:
    for role in Role:
        await quiet.member(f"{role}@example.com", role)
    company_id = quiet.company.company_id
    async with quiet.services.db.transaction() as tx:
        record(tx, Draft(
            company_id=company_id, type=EventType.WEBHOOK_FAILED, subject_id=company_id, at=NOON,
            actor=SYSTEM, data={"reason": "gone"},
        ))  # fmt: skip
    await quiet.deliver()
    assert sorted(await quiet.told()) == [
        f"webhook_failed to {role}@example.com: kept" for role in ("admin", "developer", "owner")
    ]
    shown = await quiet.shown((await quiet.mails())[0])
    assert str(company_id) in str(shown.text)


async def test_a_company_without_a_mail_server_keeps_bodies_for_a_day(
    quiet: Office, turned: FixedClock
) -> None:
    await quiet.credit()
    await quiet.deliver()
    [mail] = await quiet.mails()
    assert (await quiet.shown(mail)).subject == "A payment is waiting for you"
    turned.at += timedelta(hours=25)
    await forget_old(quiet.services.db, now=turned.at)
    assert (await quiet.shown(mail)).text is None
    turned.at += 90 * DAY
    await forget_old(quiet.services.db, now=turned.at)
    assert await quiet.mails() == []


async def test_what_is_stored_of_a_mail_holds_no_address_link_or_body(quiet: Office) -> None:
    await quiet.credit()
    await quiet.deliver()
    text = str((await quiet.shown((await quiet.mails())[0])).text)
    rows = await ask(
        quiet.services.db, "select row_to_json(m)::text from mail m where company_id = %s",
        quiet.company.company_id,
    )  # fmt: skip
    stored = str(rows)
    raw = await ask(
        quiet.services.db, "select recipient, body from mail where company_id = %s",
        quiet.company.company_id,
    )  # fmt: skip
    blobs = b"".join(bytes(value) for row in raw for value in row)
    token = link_in(text).rpartition("/")[2]
    for secret in (token, quiet.payee, "would like to pay"):
        assert secret not in stored
        assert secret.encode() not in blobs


async def test_erasing_a_person_takes_addresses_and_bodies_along(quiet: Office) -> None:
    credit_id = await quiet.credit()
    await quiet.deliver()
    company = quiet.company
    await change_contact(
        quiet.services.db, company.company_id, company.contact, {"email": "b@example.com"},
        by=OPERATOR, at=NOON,
    )  # fmt: skip
    await decline(quiet.services.db, company.company_id, credit_id, reason=None, at=NOON)
    await erase(quiet.services.db, company.company_id, company.contact, by=OPERATOR, at=NOON)
    [mail] = await quiet.mails()
    shown = await quiet.shown(mail)
    assert (shown.recipient, shown.text) == (None, None)
    left = await ask(
        quiet.services.db, "select 1 from former_address where company_id = %s", company.company_id
    )
    assert left == []


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("template", list(Template))
def test_every_mail_is_whole_in_every_language(template: Template, code: str) -> None:
    mail = composed(template, code)
    text, html = part_of(mail, "plain"), part_of(mail, "html")
    assert f'<html lang="{language(code).tag}"' in html
    for each in (str(mail["Subject"]), text, html):
        assert "{" not in each
    assert "&lt;b&gt;Acme&lt;/b&gt;" in html
    assert "<b>Acme" not in html
    assert re.findall(r'href="([^"]*)"', html) == (
        ["https://pay.example/x"] if template in LINKED else []
    )
    assert "123456" not in str(mail["Subject"])
    assert ("123456" in text) == (template is Template.CODE)


def test_every_mail_is_different_in_french() -> None:
    for template in Template:
        english, french = (part_of(composed(template, code), "plain") for code in ("en", "fr"))
        assert composed(template, "en")["Subject"] != composed(template, "fr")["Subject"]
        assert not set(english.splitlines()) & set(french.splitlines()) - ALIKE


@pytest.mark.parametrize(
    "name",
    [
        "Acme\r\nBcc: victim@example.com",
        'Acme" <ceo@bank.example>, "',
        "Acme, Inc.; <a@b>",
        "Émilie & Søn ☃",
        "=?utf-8?q?Bank_=3Cceo=40bank.example=3E?=",
        "=?utf-8?q?=0d=0aBcc=3A_victim?=",
    ],
)
def test_a_name_adds_no_header_and_no_address(name: str) -> None:
    mail = composed(Template.CLAIM, "en", company=name)
    parsed = mail["From"].addresses
    assert [each.addr_spec for each in parsed] == [SENDER]
    assert mail["Bcc"] is None
    assert mail["To"].addresses[0].addr_spec == "robin@example.com"
    assert not set('"<>@,;:\r\n') & set(parsed[0].display_name)
    assert name not in mail["Subject"]


def test_an_address_that_is_two_is_none() -> None:
    with pytest.raises((ValueError, HeaderParseError)):
        composed(Template.CLAIM, "en", to="a@example.com, b@example.com")


LINKED = {
    Template.CLAIM, Template.REMINDER, Template.RETURNED, Template.ACCEPTED,
}  # fmt: skip
ALIKE = {"", "--", "https://pay.example/x", "    123456"}


def composed(
    template: Template, code: str, *, company: str = "<b>Acme</b>", to: str = "robin@example.com"
) -> EmailMessage:
    spoken = language(code)
    values = {
        "company": company, "address": "https://pay.example", "credit": "0198",
        "minutes": 10, "number": 50, "webhook": "0199", "amount": spoken.money(123_456, "CAD"),
        "account": "•••001", "moment": spoken.moment(NOON),
    }  # fmt: skip
    content = Content(
        company, "help@acme.example", sandbox=True, values=values,
        link="https://pay.example/x" if template in LINKED else None,
        code="123456" if template is Template.CODE else None,
    )  # fmt: skip
    made = message_of(
        body_of(template, content, spoken), to=to, sender=SENDER, company=company,
        language=spoken, identifier="1", at=NOON,
    )  # fmt: skip
    again = message_from_bytes(bytes(made), policy=policy.default)
    assert isinstance(again, EmailMessage)
    return again
