"""Erasing a contact answers what was erased, and what stays for which reason until when."""

from datetime import timedelta
from uuid import uuid4

import httpx

from jetpay.contacts.erased import RETENTION
from jetpay.credits.actions import cancel
from jetpay.credits.model import State
from jetpay.events.model import OPERATOR
from jetpay.security.secrets import Secret
from tests.stage import Stage


async def test_an_erasure_tells_what_is_gone_and_what_is_kept_until_when(
    stage: Stage, client: httpx.AsyncClient
) -> None:
    company = stage.company
    paid = await stage.accepted(note="For the lamp", metadata={"boat": "7"})
    question = {"security_question": "Which mole?", "security_answer": Secret("Karla Maria")}
    dropped = await stage.requested(**question)
    at = await stage.now()
    await cancel(company.services.db, company.company_id, dropped, by=OPERATOR, at=at)
    await company.contact_account()
    await stage.advance(10)
    assert await stage.state(paid) is State.COMPLETED

    answer = await client.delete(f"/contact/{company.contact}")

    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["identifier"] == str(company.contact)
    assert told["erased"] == {
        "contacts": 1, "bank_accounts": 1, "security_questions": 1, "credits": 2, "sessions": 0,
    }  # fmt: skip
    kept = {each["what"]: each for each in told["kept"]}
    counts = {what: each["count"] for what, each in kept.items()}
    assert counts.pop("events") > 5
    assert counts == {"payment_attempts": 1, "bank_files": 1, "credits": 2, "transfers": 2}
    until = (at + RETENTION).date()
    for what, each in kept.items():
        assert each["because"].endswith(".")
        if what in ("payment_attempts", "bank_files"):
            assert each["until"][:10] in {str(until), str(until + timedelta(days=1))}
        else:
            assert each["until"] is None


async def test_a_contact_that_was_never_paid_leaves_its_history_alone(
    stage: Stage, client: httpx.AsyncClient
) -> None:
    told = (await client.delete(f"/contact/{stage.company.contact}")).json()
    before_its_end = [("events", 1)]
    assert [(each["what"], each["count"]) for each in told["kept"]] == before_its_end


async def test_what_is_open_or_not_there_is_not_erased(
    stage: Stage, client: httpx.AsyncClient
) -> None:
    await stage.requested()
    refused = await client.delete(f"/contact/{stage.company.contact}")
    assert (refused.status_code, refused.json()["code"]) == (409, "has_open_credits")
    assert (await client.delete(f"/contact/{uuid4()}")).status_code == 404
