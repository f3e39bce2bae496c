"""Changing and erasing a contact: what is told, what stays, what is refused."""

import asyncio
from typing import Any

import pytest

from jetpay.base.ids import ContactId, uuid7
from jetpay.base.refusals import NotFound
from jetpay.companies.questions import prepare_question
from jetpay.contacts.actions import change_contact, create_contact
from jetpay.contacts.erasure import erase_contact
from jetpay.contacts.model import NewContact
from jetpay.contacts.queries import get_contact
from jetpay.contacts.refusals import ContactExternalIdTaken, HasOpenCredits
from jetpay.credits.actions import cancel
from jetpay.credits.births import Born
from jetpay.credits.states import lock
from jetpay.db.rows import Query
from jetpay.events.model import OPERATOR
from jetpay.security.secrets import Secret
from tests.contacts.test_create_contact import events
from tests.patience import PATIENCE_SECONDS, wait_until_locked
from tests.world import NOON, Company, make_company

EVERYTHING = Query(
    str,
    """
    select concat_ws('|', c, b.holder_name, b.title, b.last3, encode(b.details, 'hex'),
                     encode(b.account_index, 'hex')) as everything
    from contact c left join bank_account b using (company_id, contact_id)
    where c.company_id = %(company_id)s and c.contact_id = %(contact_id)s
    """,
    never_null=("everything",),
)
QUESTION = Query(
    str,
    """
    select question || answer_hash as question from security_question
    where company_id = %(company_id)s and question_id = %(question_id)s
    """,
    never_null=("question",),
)


QUESTIONS = Query(str, "select question from security_question where company_id = %(company_id)s")


async def change(company: Company, **fields: Any) -> list[str] | None:
    """The fields that the event of this change names; None when nothing was told."""
    before = len(await events(company))
    await change_contact(
        company.services.db, company.company_id, company.contact, fields, by=OPERATOR, at=NOON
    )
    told = (await events(company))[before:]
    data = told[0].data if told else None
    assert data is None or data.keys() == {"contactId", "changed", "language"}
    return data and data["changed"]  # type: ignore[return-value]


async def erase(company: Company) -> None:
    await erase_contact(
        company.services.db, company.company_id, company.contact, by=OPERATOR, at=NOON
    )


async def test_an_event_names_the_fields_that_changed_and_no_value(company: Company) -> None:
    assert await change(company, name="Robin Other", tags=["a"]) == ["name", "tags"]
    assert await change(company, name="Robin Other", tags=["a"]) is None
    assert await change(company, metadata={"a": "b"}) == ["metadata"]
    assert await change(company, metadata=None, language="fr") == ["language", "metadata"]
    contact = await get_contact(company.services.db, company.company_id, company.contact)
    assert (contact.name, contact.metadata, contact.tags) == ("Robin Other", None, ("a",))


async def test_an_external_id_can_be_given_back(company: Company) -> None:
    assert await change(company, external_id="mine") == ["external_id"]
    assert await change(company, external_id=None) == ["external_id"]


async def test_another_contacts_external_id_is_taken(company: Company) -> None:
    await change(company, external_id="mine")
    other = await make_company(company.services)
    assert await change(other, external_id="mine") == ["external_id"]  # another company's
    with pytest.raises(NotFound):
        await change_contact(
            company.services.db, company.company_id, other.contact, {"name": "X"},
            by=OPERATOR, at=NOON,
        )  # fmt: skip
    assert ContactExternalIdTaken.status == 409


async def test_an_erased_contact_leaves_no_personal_data(company: Company) -> None:
    place = {"company_id": company.company_id, "contact_id": company.contact}
    services = company.services
    question = await prepare_question(
        services.hasher, company.company_id, question="Which ship was it?",
        answer=Secret("Karla Maria"), company_name="Acme",
    )  # fmt: skip
    await change_contact(
        services.db, company.company_id, company.contact,
        {"tags": ["left-handed"], "metadata": {"shoe": "44"}, "external_id": "ext-9"},
        question=question, by=OPERATOR, at=NOON,
    )  # fmt: skip
    await company.contact_account("7654321")
    seeds = ("robin", "Robin", "left-handed", "shoe", "ext-9", "321")
    before = await EVERYTHING.one(services.db, **place)
    assert all(seed in before for seed in seeds)
    count = len(await events(company))

    await erase(company)

    after = await EVERYTHING.one(services.db, **place)
    assert not [seed for seed in seeds if seed in after]
    own = await QUESTION.one(
        services.db, company_id=company.company_id, question_id=question.question_id
    )
    assert own == ""
    told = (await events(company))[count:]
    assert [each.type for each in told] == ["bank_accounts.deleted", "contacts.deleted"]
    for again in (erase(company), change(company, name="Back")):
        with pytest.raises(NotFound):
            await again


async def test_a_contact_with_an_open_credit_is_not_erased(company: Company) -> None:
    born = await company.services.births.one(company.asker, company.request(), key=None)
    with pytest.raises(HasOpenCredits) as refused:
        await erase(company)
    assert "1 open credits" in refused.value.detail
    await cancel(company.services.db, company.company_id, born.credit_id, by=OPERATOR, at=NOON)
    await erase(company)


async def test_a_credit_is_made_while_the_contact_s_history_is_erased(company: Company) -> None:
    """Only the last moment of an erasure keeps others waiting, and they share a statement."""
    db = company.services.db
    born = await company.services.births.one(company.asker, company.request(), key=None)
    await cancel(db, company.company_id, born.credit_id, by=OPERATOR, at=NOON)
    async with db.connection() as connection, db.transaction() as tx:
        await lock(tx, company.company_id, [born.credit_id])  # keeps the erasure in its middle
        erasing = asyncio.create_task(erase(company))
        await wait_until_locked(connection)
        made = company.services.births.one(company.asker, company.request(), key=None)
        await asyncio.wait_for(made, PATIENCE_SECONDS / 10)
    with pytest.raises(HasOpenCredits):
        await asyncio.wait_for(erasing, PATIENCE_SECONDS)
    assert (await get_contact(db, company.company_id, company.contact)).name is not None


async def test_a_question_that_others_answer_too_stays(company: Company) -> None:
    other = await create_contact(
        company.services.db, company.company_id,
        NewContact(email="zoe@example.com", name="Zoë Exemple"), by=OPERATOR, at=NOON,
    )  # fmt: skip
    shared = {"security_question": "Which ship?", "security_answer": Secret("Karla Maria")}
    own = {"security_question": "Which harbour?", "security_answer": Secret("Port Essington")}
    requests = [
        company.request(**shared),
        company.request(**shared, contact_id=other.contact_id),
        company.request(**own),
    ]
    made = await company.services.births.many(
        company.asker, [(request, f"k{n}") for n, request in enumerate(requests)]
    )
    for each in (made[0], made[2]):
        assert isinstance(each, Born)
        await cancel(company.services.db, company.company_id, each.credit_id, by=OPERATOR, at=NOON)
    await erase(company)
    kept = await QUESTIONS.all(company.services.db, company_id=company.company_id)
    assert "Which ship?" in kept
    assert "Which harbour?" not in kept


async def test_an_unknown_contact_is_not_found(company: Company) -> None:
    with pytest.raises(NotFound):
        await erase_contact(
            company.services.db, company.company_id, ContactId(uuid7()), by=OPERATOR, at=NOON
        )
