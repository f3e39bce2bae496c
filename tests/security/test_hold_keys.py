"""Working keys are made once, wrapped in the database, and open only with their root key."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from uuid import UUID

import pytest

from jetpay.base.clock import FixedClock
from jetpay.db.pool import Database
from jetpay.db.rows import Command, Query
from jetpay.security.encoding import INSTALLATION
from jetpay.security.key_rows import KEYS_OF_COMPANY
from jetpay.security.keys import (
    INSTALLATION_PURPOSES,
    Keyring,
    KeyState,
    MissingRootKey,
    Purpose,
    UnknownKey,
)
from jetpay.security.links import make_link
from jetpay.security.rootkeys import CannotUnwrap, RootKey, generate_root_key, parse_root_keys
from jetpay.security.seal_keys import USES_AT_ONCE, SealKeys, open_row
from tests.patience import PATIENCE_SECONDS
from tests.security.conftest import NOW, RSA_BITS
from tests.security.vectors import COMPANY, CREDIT, OTHER_COMPANY

SEAL_USES = Query(
    int,
    "select uses from secret_key where company_id = %(company_id)s and purpose = 'seal'"
    " order by number",
)

DESTROY_ALL = Command(
    "update secret_key set state = 'destroyed', wrapped = '' where company_id = %(company_id)s"
)


class Broken(Exception):
    """Ends a transaction."""


async def test_every_purpose_gets_one_key(key_database: Database, keyring: Keyring) -> None:
    rows = await KEYS_OF_COMPANY.all(key_database, company_id=INSTALLATION)
    assert {row.purpose for row in rows} == set(INSTALLATION_PURPOSES)
    assert {(row.number, row.state) for row in rows} == {(1, KeyState.ACTIVE)}
    for purpose in INSTALLATION_PURPOSES:
        key = keyring.active(purpose)
        assert keyring.get(purpose, 1) == key == keyring.usable(purpose, 1)
        assert keyring.accepted(purpose) == (key,)


async def test_no_key_stands_in_clear_in_the_database(
    key_database: Database, keyring: Keyring, root_keys: tuple[RootKey, ...]
) -> None:
    for row in await KEYS_OF_COMPANY.all(key_database, company_id=INSTALLATION):
        secret = keyring.get(row.purpose, row.number).secret.reveal()
        assert secret not in row.wrapped
        assert row.root_fingerprint == root_keys[0].fingerprint
        assert len(row.wrapped) == len(secret) + 37


async def test_processes_that_start_together_share_the_keys(
    keyless_database: Database, root_keys: tuple[RootKey, ...]
) -> None:
    rings = [await Keyring.load(keyless_database, root_keys, rsa_bits=RSA_BITS) for _ in range(4)]
    await asyncio.gather(*(ring.ensure(keyless_database) for ring in rings))
    for purpose in INSTALLATION_PURPOSES:
        assert len({ring.active(purpose) for ring in rings}) == 1
    rows = await KEYS_OF_COMPANY.all(keyless_database, company_id=INSTALLATION)
    assert len(rows) == len(INSTALLATION_PURPOSES)


async def test_a_start_without_a_needed_root_key_names_it(
    key_database: Database, keyring: Keyring
) -> None:
    with pytest.raises(MissingRootKey) as refused:
        await Keyring.load(key_database, parse_root_keys(generate_root_key()))
    assert keyring.root_keys[0].fingerprint.hex() in str(refused.value)


async def test_a_process_without_the_root_key_of_a_company_s_key_says_so(
    key_database: Database, keyring: Keyring
) -> None:
    async with key_database.transaction() as tx:
        await keyring.seal_key(tx, COMPANY)
    other = Keyring(parse_root_keys(generate_root_key()), clock=FixedClock(NOW))
    async with key_database.transaction() as tx:
        with pytest.raises(MissingRootKey):
            await other.seal_key(tx, COMPANY)


async def test_unknown_keys_are_refused(
    key_database: Database, root_keys: tuple[RootKey, ...], keyring: Keyring
) -> None:
    empty = Keyring(root_keys, clock=FixedClock(NOW))
    with pytest.raises(UnknownKey):
        empty.active(Purpose.LINK)
    with pytest.raises(UnknownKey):
        keyring.get(Purpose.LINK, 2)
    assert keyring.usable(Purpose.LINK, 2) is None
    assert empty.accepted(Purpose.LINK) == ()
    with pytest.raises(UnknownKey):
        keyring.key_id(Purpose.LINK)


async def test_a_key_of_another_process_is_learned_but_not_by_every_guess(
    key_database: Database, root_keys: tuple[RootKey, ...], keyring: Keyring
) -> None:
    now = [0.0]
    late = Keyring(root_keys, clock=FixedClock(NOW), monotonic=lambda: now[0])
    await late.learn(key_database, Purpose.LINK, 1)
    assert late.active(Purpose.LINK) == keyring.active(Purpose.LINK)
    await keyring.make(key_database, Purpose.LINK, state=KeyState.NEXT, activates_at=NOW)
    await late.learn(key_database, Purpose.LINK, 1)
    await late.learn(key_database, Purpose.LINK, 2)
    assert late.usable(Purpose.LINK, 2) is None
    now[0] = 5.0
    await late.learn(key_database, Purpose.LINK, 2)
    assert late.usable(Purpose.LINK, 2) is not None


async def test_signing_keys_are_published_with_their_thumbprint(keyring: Keyring) -> None:
    (public,) = keyring.published(Purpose.WEBHOOK_RS256, at=NOW)
    assert public["kid"] == keyring.key_id(Purpose.WEBHOOK_RS256)
    assert set(public) == {"e", "kty", "n", "alg", "use", "kid"}
    assert public["e"] == "AQAB"
    assert keyring.published(Purpose.LINK, at=NOW) == []
    (receipt,) = keyring.published(Purpose.RECEIPT_RS256, at=NOW)
    assert receipt["kid"] != public["kid"]


async def test_a_company_gets_its_own_seal_key_when_first_needed(
    key_database: Database, keyring: Keyring, root_keys: tuple[RootKey, ...]
) -> None:
    async with key_database.transaction() as tx:
        key = await keyring.seal_key(tx, COMPANY)
        assert await keyring.seal_key(tx, COMPANY) == key
        assert await keyring.seal_key(tx, OTHER_COMPANY) != key
    other_process = await Keyring.load(key_database, root_keys)
    async with key_database.transaction() as tx:
        assert await other_process.seal_key(tx, COMPANY) == key
        assert await other_process.seal_key_numbered(tx, COMPANY, 1) == key
        assert await other_process.seal_key_numbered(tx, COMPANY, 1) == key
        with pytest.raises(UnknownKey):
            await other_process.seal_key_numbered(tx, COMPANY, 2)


async def test_processes_that_seal_first_together_share_the_key(
    key_database: Database, root_keys: tuple[RootKey, ...]
) -> None:
    async def first_seal() -> bytes:
        ring = Keyring(root_keys, clock=FixedClock(NOW))
        async with key_database.transaction() as tx:
            return (await ring.seal_key(tx, COMPANY)).secret.reveal()

    assert len(set(await asyncio.gather(*(first_seal() for _ in range(5))))) == 1


async def test_a_key_that_was_rolled_back_is_never_used_again(
    key_database: Database, keyring: Keyring
) -> None:
    with suppress(Broken):
        async with key_database.transaction() as tx:
            lost = await keyring.seal_key(tx, COMPANY)
            assert await keyring.seal_key_numbered(tx, COMPANY, 1) == lost
            raise Broken
    async with key_database.transaction() as tx:
        kept = await keyring.seal_key(tx, COMPANY)
        assert kept != lost
    async with key_database.transaction() as tx:
        assert await keyring.seal_key_numbered(tx, COMPANY, 1) == kept


async def test_a_key_made_elsewhere_after_our_rollback_is_taken(
    key_database: Database, keyring: Keyring, root_keys: tuple[RootKey, ...]
) -> None:
    with suppress(Broken):
        async with key_database.transaction() as tx:
            await keyring.seal_key(tx, COMPANY)
            raise Broken
    async with key_database.transaction() as tx:
        theirs = await Keyring(root_keys, clock=FixedClock(NOW)).seal_key(tx, COMPANY)
    async with key_database.transaction() as tx:
        assert await keyring.seal_key(tx, COMPANY) == theirs


async def test_seals_are_counted_in_steps(key_database: Database, keyring: Keyring) -> None:
    async with key_database.transaction() as tx:
        for _ in range(USES_AT_ONCE):
            await keyring.seal_key(tx, COMPANY)
        assert await SEAL_USES.all(tx, company_id=COMPANY) == [USES_AT_ONCE]
        await keyring.seal_key(tx, COMPANY)
        assert await SEAL_USES.all(tx, company_id=COMPANY) == [2 * USES_AT_ONCE]


async def test_counting_never_waits_for_another_transaction(
    key_database: Database, root_keys: tuple[RootKey, ...], keyring: Keyring
) -> None:
    async with key_database.transaction() as tx:
        await keyring.seal_key(tx, COMPANY)
    async with key_database.transaction() as holder:
        await Keyring(root_keys, clock=FixedClock(NOW)).seal_key(holder, COMPANY)
        other = Keyring(root_keys, clock=FixedClock(NOW))
        async with asyncio.timeout(PATIENCE_SECONDS), key_database.transaction() as tx:
            await other.seal_key(tx, COMPANY)
    async with key_database.transaction() as tx:
        await other.seal_key(tx, COMPANY)
        assert await SEAL_USES.all(tx, company_id=COMPANY) == [3 * USES_AT_ONCE]


async def test_a_deleted_company_has_no_key_within_a_minute(
    key_database: Database, root_keys: tuple[RootKey, ...]
) -> None:
    now = [0.0]
    keys = SealKeys(root_keys, FixedClock(NOW), monotonic=lambda: now[0])
    async with key_database.transaction() as tx:
        await keys.active(tx, COMPANY)
    async with key_database.transaction() as tx:
        await keys.active(tx, COMPANY)
        assert await DESTROY_ALL.run(tx, company_id=COMPANY) == 1
    now[0] = 60.0
    async with key_database.transaction() as tx:
        with pytest.raises(UnknownKey):
            await keys.active(tx, COMPANY)
        with pytest.raises(UnknownKey):
            await keys.numbered(tx, COMPANY, 1)


async def test_memory_for_keys_is_bounded(
    key_database: Database, root_keys: tuple[RootKey, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jetpay.security.seal_keys.REMEMBERED", 2)
    keys = SealKeys(root_keys, FixedClock(NOW))
    companies = [UUID(bytes=COMPANY.bytes[:15] + bytes([last])) for last in range(5)]
    for _ in range(2):
        async with key_database.transaction() as tx:
            for company in companies:
                await keys.active(tx, company)
    assert len(keys._known) == len(keys._uses_left) == 2


async def test_what_was_made_with_a_key_is_made_again_after_a_restart(
    key_database: Database, keyring: Keyring, root_keys: tuple[RootKey, ...]
) -> None:
    link = make_link(keyring.active("link"), COMPANY, 5, CREDIT, 1)
    again = await Keyring.load(key_database, root_keys)
    assert make_link(again.get("link", 1), COMPANY, 5, CREDIT, 1) == link


async def test_a_row_moved_to_another_number_does_not_open(
    key_database: Database, root_keys: tuple[RootKey, ...], keyring: Keyring
) -> None:
    row = (await KEYS_OF_COMPANY.all(key_database, company_id=INSTALLATION))[0]
    for change in ({"number": 2}, {"purpose": "x"}, {"company_id": COMPANY}):
        with pytest.raises(CannotUnwrap):
            open_row(root_keys, replace(row, **change))
