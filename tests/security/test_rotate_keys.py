"""Keys change while everything runs: nothing made before stops working."""

import asyncio
import base64
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from jetpay.base.clock import FixedClock
from jetpay.db.pool import Database
from jetpay.db.rows import Command
from jetpay.security.encoding import INSTALLATION
from jetpay.security.key_rows import KEYS_OF_COMPANY, OLD_SEAL_KEYS
from jetpay.security.key_status import status
from jetpay.security.keys import (
    INSTALLATION_PURPOSES,
    SIGNING_PURPOSES,
    Keyring,
    KeyState,
    MissingRootKey,
    Purpose,
)
from jetpay.security.links import check_link, make_link
from jetpay.security.rootkeys import KeyProblem, RootKey, generate_root_key, parse_root_keys
from jetpay.security.rotation import (
    KeyNumbersUsedUp,
    destroy,
    maintain,
    promote,
    rewrap,
    rotate,
)
from jetpay.security.vault import Vault
from tests.security.conftest import NOW
from tests.security.vectors import COMPANY, CREDIT, OTHER_COMPANY, ROW

WORN = Command("update secret_key set uses = 1073741824 where company_id = %(company_id)s")
PLACE: dict[str, Any] = {"table": "bank_account", "column": "details", "row_key": ROW.bytes}


async def old_seal_keys(database: Database) -> list[UUID]:
    return [each.company_id for each in await OLD_SEAL_KEYS.all(database, maximum=10)]


async def states(database: Database, purpose: str) -> list[str]:
    rows = await KEYS_OF_COMPANY.all(database, company_id=INSTALLATION)
    return [row.state.value for row in rows if row.purpose == purpose]


@pytest.mark.parametrize("purpose", INSTALLATION_PURPOSES)
async def test_a_new_key_is_known_everywhere_before_it_is_used(
    key_database: Database, keyring: Keyring, purpose: Purpose
) -> None:
    old = keyring.active(purpose)
    told = await rotate(key_database, keyring, purpose, at=NOW)
    assert told is not None
    wait = timedelta(hours=24 if purpose in SIGNING_PURPOSES else 0, minutes=5)
    assert (told.number, told.state, told.activates_at) == (2, "next", NOW + wait)
    assert keyring.active(purpose) == old
    assert keyring.get(purpose, 2) in keyring.accepted(purpose)
    await maintain(key_database, keyring, at=NOW + wait - timedelta(seconds=1))
    assert keyring.active(purpose) == old
    await maintain(key_database, keyring, at=NOW + wait)
    assert keyring.active(purpose).number == 2
    assert keyring.get(purpose, 1) == old
    assert [key.number for key in keyring.accepted(purpose)] == [2, 1]
    assert await states(key_database, purpose) == ["verify-only", "active"]


async def test_rotating_twice_makes_one_next_key(key_database: Database, keyring: Keyring) -> None:
    first = await rotate(key_database, keyring, Purpose.LINK, at=NOW)
    assert await rotate(key_database, keyring, Purpose.LINK, at=NOW) == first
    assert await states(key_database, Purpose.LINK) == ["active", "next"]


async def test_rotating_now_needs_no_waiting(key_database: Database, keyring: Keyring) -> None:
    await rotate(key_database, keyring, Purpose.WEBHOOK_RS256, at=NOW)
    told = await rotate(key_database, keyring, Purpose.WEBHOOK_RS256, at=NOW, now=True)
    assert told is not None
    assert (told.number, told.state) == (2, KeyState.ACTIVE)
    assert keyring.active(Purpose.WEBHOOK_RS256).number == 2


async def test_a_compromised_webhook_key_is_withdrawn_at_once(
    key_database: Database, keyring: Keyring
) -> None:
    await rotate(key_database, keyring, Purpose.WEBHOOK_RS256, at=NOW, now=True)
    [left] = keyring.published(Purpose.WEBHOOK_RS256, at=NOW)
    assert left["kid"] == keyring.key_id(Purpose.WEBHOOK_RS256)
    await maintain(key_database, keyring, at=NOW)
    assert await states(key_database, Purpose.WEBHOOK_RS256) == ["destroyed", "active"]


async def test_of_two_promotions_one_wins(key_database: Database, keyring: Keyring) -> None:
    await rotate(key_database, keyring, Purpose.LINK, at=NOW)
    at = NOW + timedelta(hours=1)
    async with key_database.transaction() as tx:
        assert await promote(tx, Purpose.LINK, at=at)
        second = asyncio.create_task(promote(key_database, Purpose.LINK, at=at))
        await asyncio.sleep(0.1)
        assert not second.done()
    assert not await second
    assert await states(key_database, Purpose.LINK) == ["verify-only", "active"]


@pytest.mark.parametrize(
    "at, kids",
    [
        (NOW, {1, 2}),
        (NOW + timedelta(hours=24, minutes=5), {1, 2}),
        (NOW + timedelta(hours=48, minutes=9), {1, 2}),
        (NOW + timedelta(hours=48, minutes=10), {2}),
    ],
)
async def test_an_old_signing_key_stays_published_for_a_day(
    key_database: Database, keyring: Keyring, at: datetime, kids: set[int]
) -> None:
    (first,) = keyring.published(Purpose.WEBHOOK_RS256, at=NOW)
    await rotate(key_database, keyring, Purpose.WEBHOOK_RS256, at=NOW)
    await maintain(key_database, keyring, at=NOW + timedelta(hours=24, minutes=5))
    second = keyring.key_id(Purpose.WEBHOOK_RS256)
    expected = {{1: first["kid"], 2: second}[number] for number in kids}
    published = {jwk["kid"] for jwk in keyring.published(Purpose.WEBHOOK_RS256, at=at)}
    assert published == expected
    await maintain(key_database, keyring, at=at)
    assert {jwk["kid"] for jwk in keyring.published(Purpose.WEBHOOK_RS256, at=at)} == expected


async def test_receipts_can_be_verified_for_ever(key_database: Database, keyring: Keyring) -> None:
    await rotate(key_database, keyring, Purpose.RECEIPT_RS256, at=NOW, now=True)
    later = NOW + timedelta(days=3_000)
    await maintain(key_database, keyring, at=later)
    assert len(keyring.published(Purpose.RECEIPT_RS256, at=later)) == 2


async def test_short_lived_keys_are_destroyed_and_lasting_ones_kept(
    key_database: Database, keyring: Keyring
) -> None:
    for purpose in (Purpose.VISIT, Purpose.CSRF, Purpose.LINK, Purpose.PEPPER):
        await rotate(key_database, keyring, purpose, at=NOW, now=True)
    await maintain(key_database, keyring, at=NOW + timedelta(hours=24))
    for purpose, state in (
        (Purpose.VISIT, "destroyed"),
        (Purpose.CSRF, "destroyed"),
        (Purpose.LINK, "verify-only"),
        (Purpose.PEPPER, "verify-only"),
    ):
        assert await states(key_database, purpose) == [state, "active"]
    assert keyring.usable(Purpose.VISIT, 1) is None


async def test_links_stay_equal_while_keys_rotate(key_database: Database, keyring: Keyring) -> None:
    links = []
    for round_number in range(1, 5):
        link = make_link(keyring.active("link"), COMPANY, 5, CREDIT, 1)
        links.append((round_number, link))
        await rotate(key_database, keyring, Purpose.LINK, at=NOW, now=True)
        for number, before in links:
            assert make_link(keyring.get("link", number), COMPANY, 5, CREDIT, 1) == before
            assert check_link(before, keyring, {5: COMPANY}.get) is not None


async def test_an_old_root_key_may_be_dropped_after_the_rewrap(
    key_database: Database, keyring: Keyring, root_keys: tuple[RootKey, ...]
) -> None:
    async with key_database.transaction() as tx:
        blob = await Vault(keyring).seal(tx, COMPANY, **PLACE, value={"a": 1})
    before = {purpose: keyring.active(purpose) for purpose in INSTALLATION_PURPOSES}
    new = parse_root_keys(generate_root_key())
    both = await Keyring.load(key_database, new + root_keys, clock=FixedClock(NOW))
    needed = await status(key_database, both.root_keys)
    assert [root.may_be_dropped for root in needed.root_keys] == [False, False]

    assert await rewrap(key_database, both) == len(INSTALLATION_PURPOSES) + 1
    assert await rewrap(key_database, both) == 0
    needed = await status(key_database, both.root_keys)
    assert [root.may_be_dropped for root in needed.root_keys] == [False, True]

    alone = await Keyring.load(key_database, new, clock=FixedClock(NOW))
    assert {purpose: alone.active(purpose) for purpose in INSTALLATION_PURPOSES} == before
    async with key_database.transaction() as tx:
        assert await Vault(alone).open(tx, COMPANY, **PLACE, blob=blob) == {"a": 1}
    with pytest.raises(MissingRootKey):
        await Keyring.load(key_database, root_keys)


async def test_the_status_names_root_keys_that_are_missing(
    key_database: Database, keyring: Keyring
) -> None:
    given = parse_root_keys(generate_root_key())
    told = await status(key_database, given)
    assert [(root.given, root.keys) for root in told.root_keys] == [
        (True, 0),
        (False, len(INSTALLATION_PURPOSES)),
    ]
    assert told.root_keys[1].fingerprint == keyring.root_keys[0].fingerprint.hex()
    assert not told.root_keys[1].may_be_dropped
    assert len(told.working_keys) == len(INSTALLATION_PURPOSES)


async def test_every_company_gets_a_new_seal_key_and_old_values_open(
    key_database: Database, keyring: Keyring
) -> None:
    vault = Vault(keyring)
    async with key_database.transaction() as tx:
        blob = await vault.seal(tx, COMPANY, **PLACE, value={"a": 1})
        await vault.seal(tx, OTHER_COMPANY, **PLACE, value={"a": 1})
    assert await rotate(key_database, keyring, Purpose.SEAL, at=NOW + timedelta(days=1)) is None
    told = await status(key_database, keyring.root_keys)
    assert [(each.company_id, each.number) for each in told.old_seal_keys] == [
        (COMPANY, 1),
        (OTHER_COMPANY, 1),
    ]
    assert told.renewals_left == 2
    async with key_database.transaction() as tx:
        resealed = await vault.reseal(tx, COMPANY, **PLACE, blob=blob)
        assert resealed is not None
        assert resealed[2:6] == b"\x00\x00\x00\x02"
        assert await vault.reseal(tx, COMPANY, **PLACE, blob=resealed) is None
        assert await vault.open(tx, COMPANY, **PLACE, blob=blob) == {"a": 1}
        assert await vault.open(tx, COMPANY, **PLACE, blob=resealed) == {"a": 1}


async def test_a_seal_key_is_renewed_after_two_years_or_too_many_uses(
    key_database: Database, keyring: Keyring
) -> None:
    async with key_database.transaction() as tx:
        await keyring.seal_key(tx, COMPANY)
        await keyring.seal_key(tx, OTHER_COMPANY)
    await maintain(key_database, keyring, at=NOW + timedelta(days=729))
    assert await old_seal_keys(key_database) == []
    await WORN.run(key_database, company_id=COMPANY)
    await maintain(key_database, keyring, at=NOW + timedelta(days=729))
    assert await old_seal_keys(key_database) == [COMPANY]
    await maintain(key_database, keyring, at=NOW + timedelta(days=731))
    assert await old_seal_keys(key_database) == [COMPANY, OTHER_COMPANY]


async def test_renewing_twice_at_once_leaves_one_active_key(
    key_database: Database, keyring: Keyring
) -> None:
    async with key_database.transaction() as tx:
        await keyring.seal_key(tx, COMPANY)

    async def renew(number: int) -> bool:
        async with key_database.transaction() as tx:
            return await keyring.seal_keys.make(tx, COMPANY, number=number, at=NOW)

    assert sorted(await asyncio.gather(*(renew(2) for _ in range(4)))) == [False] * 3 + [True]
    assert not await renew(2)
    async with key_database.transaction() as tx:
        assert (await keyring.seal_key(tx, COMPANY)).number == 2


async def test_many_companies_are_renewed_page_by_page(
    key_database: Database, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jetpay.security.rotation.PAGE", 2)
    async with key_database.transaction() as tx:
        for last in range(5):
            await keyring.seal_key(tx, UUID(bytes=COMPANY.bytes[:15] + bytes([last])))
    await rotate(key_database, keyring, Purpose.SEAL, at=NOW + timedelta(days=1))
    assert len(await old_seal_keys(key_database)) == 5


async def test_a_key_is_destroyed_when_no_process_uses_it_any_more(
    key_database: Database, keyring: Keyring
) -> None:
    await rotate(key_database, keyring, Purpose.LINK, at=NOW, now=True)
    for number, at, why in (
        (1, NOW + timedelta(minutes=4), "2026-01-22T10:20:30"),
        (2, NOW + timedelta(minutes=5), "gone out of use"),
        (3, NOW + timedelta(minutes=5), "gone out of use"),
    ):
        with pytest.raises(KeyProblem, match=why):
            await destroy(key_database, Purpose.LINK, number, at=at)
    await destroy(key_database, Purpose.LINK, 1, at=NOW + timedelta(minutes=5))
    await keyring.refresh(key_database)
    assert keyring.usable(Purpose.LINK, 1) is None
    assert keyring.is_destroyed(Purpose.LINK, 1)
    (row,) = [
        row
        for row in await KEYS_OF_COMPANY.all(key_database, company_id=INSTALLATION)
        if row.purpose == Purpose.LINK and row.number == 1
    ]
    assert row.wrapped == b""


async def test_numbers_fit_into_a_byte(
    key_database: Database, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jetpay.security.rotation.MAX_NUMBER", 2)
    await rotate(key_database, keyring, Purpose.LINK, at=NOW, now=True)
    with pytest.raises(KeyNumbersUsedUp):
        await rotate(key_database, keyring, Purpose.LINK, at=NOW, now=True)


async def test_there_are_no_keys_for_other_purposes(
    key_database: Database, keyring: Keyring
) -> None:
    with pytest.raises(KeyProblem, match="cookies"):
        await rotate(key_database, keyring, "cookies", at=NOW)


@pytest.mark.usefixtures("keyring")
@pytest.mark.parametrize("bits", [None, 3072])
async def test_new_signing_keys_have_the_size_that_is_set(
    key_database: Database, root_keys: tuple[RootKey, ...], bits: int | None
) -> None:
    size = {} if bits is None else {"rsa_bits": bits}
    ring = await Keyring.load(key_database, root_keys, clock=FixedClock(NOW), **size)
    await rotate(key_database, ring, Purpose.WEBHOOK_RS256, at=NOW, now=True)
    [key] = ring.published(Purpose.WEBHOOK_RS256, at=NOW)
    modulus = base64.urlsafe_b64decode(key["n"] + "==")
    assert len(modulus) * 8 == (bits or 2048)
