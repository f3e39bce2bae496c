"""Making contacts: one for a key, one for an external id, an event without a name in it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from jetpay.app import create_app
from jetpay.contacts import actions
from jetpay.db.rows import Query
from jetpay.events.model import Event
from tests.world import Company

CONTACT = {"email": "zoe@example.com", "name": "Zoë Exemple"}
EVENTS = Query(
    Event,
    """
    select company_id, event_id, created_at, type, subject_id, from_state, to_state, because,
           actor_kind, actor_id, data
    from event where company_id = %(company_id)s order by event_id
    """,
)


async def events(company: Company) -> list[Event]:
    return await EVENTS.all(company.services.db, company_id=company.company_id)


@pytest.fixture
async def client(company: Company) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(company.services))
    headers = {"Authorization": f"Bearer {company.token}"}
    url = company.services.settings.public_url
    async with httpx.AsyncClient(transport=transport, base_url=url, headers=headers) as client:
        yield client


async def test_a_contact_is_answered_with_all_its_fields(client: httpx.AsyncClient) -> None:
    sent = CONTACT | {
        "tags": ["driver", "west"],
        "language": "fr",
        "metadata": {"id": "7"},
        "external_id": "c-7",
        "colour": "unknown fields are ignored, as the guide's own clients need",
    }
    answer = await client.put("/contact", json=sent)
    assert answer.status_code == 200
    given = answer.json()
    assert given | CONTACT == given
    assert (given["tags"], given["language"]) == (["driver", "west"], "fr")
    assert (given["metadata"], given["external_id"]) == ({"id": "7"}, "c-7")
    assert given["created_at"] == "2026-03-02T12:00:00.000000Z"
    read = await client.get(f"/contact/{given['identifier']}")
    assert read.json() == given


async def test_its_event_has_no_personal_data(client: httpx.AsyncClient, company: Company) -> None:
    made = (await client.put("/contact", json=CONTACT)).json()
    [*_, event] = await events(company)
    assert event.type == "contacts.created"
    assert event.data == {"contactId": made["identifier"], "language": "en"}
    assert (event.actor_kind, event.actor_id) == ("token", company.token_id)


async def test_fifty_requests_with_one_key_at_once_make_one_contact(
    client: httpx.AsyncClient, company: Company
) -> None:
    before = len(await events(company))
    headers = {"Idempotency-Key": "fifty"}
    answers = await asyncio.gather(
        *(client.put("/contact", json=CONTACT, headers=headers) for _ in range(50))
    )
    assert {each.status_code for each in answers} == {200}
    assert len({each.content for each in answers}) == 1
    assert len(await events(company)) == before + 1


@pytest.mark.parametrize(
    "other, named",
    [
        ({"name": "Other"}, "name"),
        ({"tags": ["a"]}, "tags"),
        ({"email": "a@example.com", "language": "fr"}, "email, language"),
        ({"security_question": "Which ship?", "security_answer": "Karla Maria"},
         "secret fields, security_question"),
    ],
)  # fmt: skip
async def test_the_same_key_with_another_body_is_refused_by_field(
    other: dict[str, Any], named: str, client: httpx.AsyncClient, company: Company
) -> None:
    headers = {"Idempotency-Key": "k"}
    first = await client.put("/contact", json=CONTACT, headers=headers)
    made = len(await events(company))
    answer = await client.put("/contact", json=CONTACT | other, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_conflict")
    assert named in answer.json()["detail"]
    assert len(await events(company)) == made
    again = await client.put("/contact", json=CONTACT | {"note": "ignored"}, headers=headers)
    assert again.content == first.content


async def test_a_refused_request_leaves_its_key_free(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "free"}
    await client.put("/contact", json=CONTACT | {"external_id": "taken"})
    for wrong, status in (({"name": ""}, 422), ({"external_id": "taken"}, 409)):
        answer = await client.put("/contact", json=CONTACT | wrong, headers=headers)
        assert answer.status_code == status
    assert (await client.put("/contact", json=CONTACT, headers=headers)).status_code == 200


async def test_a_replay_shows_the_contact_as_it_is_now(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "later"}
    made = (await client.put("/contact", json=CONTACT, headers=headers)).json()
    await client.patch(f"/contact/{made['identifier']}", json={"tags": ["new"]})
    again = await client.put("/contact", json=CONTACT, headers=headers)
    assert again.json()["tags"] == ["new"]


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "x" * 256])
async def test_a_key_has_visible_characters(key: str, client: httpx.AsyncClient) -> None:
    headers = {b"Idempotency-Key": key.encode()}
    answer = await client.put("/contact", json=CONTACT, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"


async def test_an_external_id_belongs_to_one_contact(
    client: httpx.AsyncClient,
) -> None:
    first = await client.put("/contact", json=CONTACT | {"external_id": "e"})
    second = await client.put("/contact", json=CONTACT | {"external_id": "e"})
    assert (second.status_code, second.json()["code"]) == (409, "external_id_taken")
    assert first.json()["identifier"] in second.json()["detail"]
    both = [await client.put("/contact", json=CONTACT) for _ in range(2)]
    assert {each.status_code for each in both} == {200}  # an address may repeat
    changed = await client.patch(
        f"/contact/{both[0].json()['identifier']}", json={"external_id": "e"}
    )
    assert changed.status_code == 409


async def test_an_external_id_that_its_holder_just_gave_up_is_asked_for_again(
    client: httpx.AsyncClient, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = (await client.put("/contact", json=CONTACT | {"external_id": "e"})).json()
    found = actions.BY_EXTERNAL_ID.first

    async def gives_it_up(*asked: Any, **named: Any) -> Any:
        with monkeypatch.context() as context:
            context.setattr(actions.BY_EXTERNAL_ID, "first", found)
            await client.patch(f"/contact/{first['identifier']}", json={"external_id": None})
        return await found(*asked, **named)

    with monkeypatch.context() as context:
        context.setattr(actions.BY_EXTERNAL_ID, "first", gives_it_up)
        answer = await client.put("/contact", json=CONTACT | {"external_id": "e"})
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    again = await client.put("/contact", json=CONTACT | {"external_id": "e"})
    assert again.json()["external_id"] == "e"


@pytest.mark.parametrize(
    "question, field, code",
    [
        ({"security_question": "Which ship?"}, "body", "incomplete"),
        ({"security_answer": "Karla"}, "body", "incomplete"),
        ({"security_question": "Ok?", "security_answer": "yes"}, "security_answer",
         "answer_yes_or_no"),
        ({"security_question": "Who?", "security_answer": "Exemple"}, "security_answer",
         "answer_in_payment"),
    ],
)  # fmt: skip
async def test_an_own_question_must_be_a_good_one(
    question: dict[str, str], field: str, code: str, client: httpx.AsyncClient
) -> None:
    answer = await client.put("/contact", json=CONTACT | question)
    assert answer.status_code == 422
    assert [(e["field"], e["code"]) for e in answer.json()["errors"]] == [(field, code)]


async def test_an_own_question_is_kept_as_a_hash(client: httpx.AsyncClient) -> None:
    asked = {"security_question": "Which ship?", "security_answer": "Karla Maria"}
    given = (await client.put("/contact", json=CONTACT | asked)).json()
    assert given["own_security_question"] is True
    assert "Karla" not in str(given)


async def test_a_list_goes_on_where_it_ended(client: httpx.AsyncClient) -> None:
    made = [
        (await client.put("/contact", json=CONTACT | {"external_id": f"n{n}"})).json()
        for n in range(5)
    ]
    seen: list[str] = []
    after: dict[str, Any] = {}
    while True:
        page = (await client.get("/contact", params={"limit": 2, **after})).json()
        seen += [each["identifier"] for each in page["data"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert set(seen) >= {each["identifier"] for each in made}
    assert seen == sorted(seen)
    assert len(seen) == len(set(seen))
    found = (await client.get("/contact", params={"external_id": "n3"})).json()
    assert [each["external_id"] for each in found["data"]] == ["n3"]
    for wrong in ({"limit": 0}, {"limit": 201}, {"after": "x"}):
        assert (await client.get("/contact", params=wrong)).status_code == 422
