"""A working key ends when nothing names it; with links or answers that named it only when told."""

from datetime import timedelta
from uuid import UUID

import pytest

from jetpay.base.clock import FixedClock
from jetpay.base.ids import CreditId, uuid7
from jetpay.base.text import normalise_answer
from jetpay.companies.queries import COMPANY, QUESTION
from jetpay.credits.actions import LinkAction, act_on_link, cancel
from jetpay.credits.payee_sessions import find_session, start_session
from jetpay.db.rows import Query
from jetpay.events.model import OPERATOR
from jetpay.security.encoding import INSTALLATION
from jetpay.security.key_rows import KEYS_OF_COMPANY
from jetpay.security.keys import Purpose
from jetpay.security.links import check_link, make_link
from jetpay.security.passwords import AnswerHash
from jetpay.security.rootkeys import KeyProblem
from jetpay.security.rotation import SETTLES_IN, maintain, rotate
from jetpay.security.secrets import Secret
from jetpay.security.signing import read_receipt, receipt_token, signing_key
from jetpay.worker.key_ends import KeyInUse, end_key
from tests.stage import Stage
from tests.world import ANSWER

LINKS = Query(
    str,
    """
    select link_version || '/' || link_key_id as link from credit
    where company_id = %(company_id)s order by link_version, link_key_id
    """,
    never_null=("link",),
)


async def rotate_now(stage: Stage, purpose: str) -> None:
    services = stage.services
    at = services.clock.now() + timedelta(seconds=1)
    await rotate(services.db, services.keyring, purpose, at=at, now=True)
    services.keyring.seal_keys.forget(stage.company_id)
    assert isinstance(services.clock, FixedClock)
    services.clock.at = at + SETTLES_IN + timedelta(seconds=1)


async def state_of(stage: Stage, purpose: str, owner: UUID = INSTALLATION) -> list[str]:
    rows = await KEYS_OF_COMPANY.all(stage.services.db, company_id=owner)
    return [str(row.state) for row in rows if row.purpose == purpose]


async def show(stage: Stage, credit_id: CreditId) -> str:
    services, now = stage.services, await stage.now()
    link = await act_on_link(
        services.db, stage.company_id, credit_id, LinkAction.SHOW, expires_at=None,
        link_key_id=services.keyring.active("link").number, by=OPERATOR, at=now, now=now,
    )  # fmt: skip
    key = services.keyring.get("link", link.link_key_id)
    return make_link(key, stage.company_id, link.short_id, credit_id, link.link_version)


@pytest.mark.parametrize("purpose", [Purpose.LINK, Purpose.INDEX, Purpose.FINGERPRINT])
async def test_a_key_that_nothing_names_is_destroyed(own: Stage, purpose: Purpose) -> None:
    await rotate_now(own, purpose)
    if purpose is Purpose.INDEX:
        await own.tick()
    assert await end_key(own.services, purpose, 1) == 0
    assert await state_of(own, purpose) == ["destroyed", "active"]
    with pytest.raises(KeyProblem, match="gone out of use"):
        await end_key(own.services, purpose, 1)


async def test_a_link_key_in_use_is_refused_with_what_uses_it(own: Stage) -> None:
    await own.requested()
    ended = await own.requested()
    await cancel(own.services.db, own.company_id, ended, by=OPERATOR, at=await own.now())
    await rotate_now(own, Purpose.LINK)
    with pytest.raises(KeyInUse, match=r"ended credits \(1\), open credits \(1\).*--kill-links"):
        await end_key(own.services, Purpose.LINK, 1)
    assert await LINKS.all(own.services.db, company_id=own.company_id) == ["1/1", "1/1"]
    assert await state_of(own, Purpose.LINK) == ["verify-only", "active"]


async def test_with_kill_links_every_old_link_is_dead_and_each_credit_has_a_new_one(
    own: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jetpay.worker.key_ends.KILLED_AT_ONCE", 2)
    services, asker = own.services, own.company.asker
    born = [
        await services.births.one(asker, own.company.request(statement=f"S{n}"), key=f"k{n}")
        for n in range(4)
    ]
    await cancel(services.db, own.company_id, born[3].credit_id, by=OPERATOR, at=await own.now())
    await rotate_now(own, Purpose.LINK)
    newest = await services.births.one(asker, own.company.request(), key="newest")

    assert await end_key(services, Purpose.LINK, 1, kills_links=True) == 4

    companies = {asker.short_id: own.company_id}
    for each in born:
        assert each.link is not None
        assert check_link(each.link, services.keyring, companies.get) is None
    assert newest.link is not None
    assert check_link(newest.link, services.keyring, companies.get) is not None
    links = await LINKS.all(services.db, company_id=own.company_id)
    assert links == ["1/2", "2/2", "2/2", "2/2", "2/2"]
    for number, each in enumerate(born[:3]):
        live = await show(own, each.credit_id)
        assert check_link(live, services.keyring, companies.get) is not None
        asked = own.company.request(statement=f"S{number}")
        again = await services.births.one(asker, asked, key=f"k{number}")
        assert (again.credit_id, again.link) == (each.credit_id, live)
    told = [each for each in await own.events() if "link_reissued" in each]
    assert len(told) == 3


async def test_sessions_that_came_by_a_killed_link_are_over(own: Stage) -> None:
    credit_id = await own.requested()
    services, now = own.services, await own.now()
    async with services.db.transaction() as tx:
        cookie = await start_session(
            tx, own.company_id, credit_id, link_version=1, read_only=False, now=now
        )
    await rotate_now(own, Purpose.LINK)
    await end_key(services, Purpose.LINK, 1, kills_links=True)
    found = await find_session(services.db, cookie.reveal())
    assert found is not None
    assert found.ended_at == services.clock.now()


async def test_a_pepper_in_use_ends_with_the_answers_that_were_made_with_it(own: Stage) -> None:
    services, company = own.services, await COMPANY.one(own.services.db, company_id=own.company_id)
    assert company.question_id is not None
    place = {"company_id": own.company_id, "question_id": company.question_id}
    stored = await QUESTION.one(services.db, **place)
    answer = AnswerHash(stored.answer_hash, stored.pepper_key_id)
    right = Secret(normalise_answer(ANSWER))
    await rotate_now(own, Purpose.PEPPER)
    assert await services.hasher.verify(own.company_id, company.question_id, right, answer)
    with pytest.raises(KeyInUse, match=r"security questions \(1\).*--kill-links"):
        await end_key(services, Purpose.PEPPER, 1)
    assert await end_key(services, Purpose.PEPPER, 1, kills_links=True) == 0
    assert not await services.hasher.verify(own.company_id, company.question_id, right, answer)


async def test_what_money_rests_on_is_never_killed(own: Stage) -> None:
    await own.to_account()
    asker, asked = own.company.asker, own.company.request()
    await own.services.births.one(asker, asked, key="k")
    for purpose in (Purpose.INDEX, Purpose.FINGERPRINT, Purpose.SEAL):
        await rotate_now(own, purpose)
    for purpose, uses in (
        (Purpose.INDEX, r"bank accounts \(2\), payment attempts \(1\)"),
        (Purpose.FINGERPRINT, r"idempotency keys of credits \(1\)"),
        (Purpose.SEAL, r"bank accounts \(2\), payment attempts \(1\)"),
    ):
        owner = own.company_id if purpose is Purpose.SEAL else None
        with pytest.raises(KeyInUse, match=f"{uses}\\.$"):
            await end_key(own.services, purpose, 1, company_id=owner, kills_links=True)
    await own.tick()
    for purpose in (Purpose.INDEX, Purpose.SEAL):
        owner = own.company_id if purpose is Purpose.SEAL else None
        assert await end_key(own.services, purpose, 1, company_id=owner) == 0
    assert await state_of(own, Purpose.SEAL, own.company_id) == ["destroyed", "active"]


async def test_a_key_ends_no_sooner_than_its_successor_is_known_everywhere(own: Stage) -> None:
    services = own.services
    await rotate(services.db, services.keyring, Purpose.LINK, at=services.clock.now(), now=True)
    with pytest.raises(KeyProblem, match="wait"):
        await end_key(services, Purpose.LINK, 1, kills_links=True)
    with pytest.raises(KeyProblem, match="gone out of use"):
        await end_key(services, Purpose.LINK, 2, kills_links=True)


@pytest.mark.parametrize(
    "purpose, of_company, says",
    [
        ("fridge", False, "not ended by hand"),
        (Purpose.WEBHOOK_RS256, False, "not ended by hand"),
        (Purpose.SEAL, False, "--company"),
        (Purpose.LINK, True, "nobody's"),
    ],
)
async def test_a_key_that_cannot_be_meant_is_refused(
    own: Stage, purpose: str, of_company: bool, says: str
) -> None:
    company_id = own.company_id if of_company else None
    with pytest.raises(KeyProblem, match=says):
        await end_key(own.services, purpose, 1, company_id=company_id)


async def test_receipts_stay_checkable_through_rotations_until_their_key_is_ended(
    own: Stage,
) -> None:
    """A year and a second rotation later the first key is still published; ended, it is not."""
    services, purpose = own.services, Purpose.RECEIPT_RS256
    await own.accepted()
    await own.tick()
    claims = {"credit": "a"}
    token = receipt_token(
        signing_key(services.keyring, purpose), claims, token_id=uuid7(), at=services.clock.now()
    )

    def is_genuine() -> bool:
        keys = services.keyring.published(purpose, at=services.clock.now())
        return read_receipt(token, keys) is not None

    await rotate_now(own, purpose)
    await rotate_now(own, purpose)
    assert isinstance(services.clock, FixedClock)
    services.clock.at += timedelta(days=365)
    await maintain(services.db, services.keyring, at=services.clock.now())
    assert await state_of(own, purpose) == ["verify-only", "verify-only", "active"]
    assert is_genuine()
    with pytest.raises(KeyInUse, match="receipts it may have signed"):
        await end_key(services, purpose, 1)
    assert is_genuine()
    await end_key(services, purpose, 1, kills_links=True)
    assert not is_genuine()
