"""The company of a link is found in memory, and guesses cause no database work."""

from datetime import timedelta
from uuid import UUID

from jetpay.base.ids import uuid7
from jetpay.db.pool import Database
from jetpay.db.rows import Command
from jetpay.security.short_ids import ShortIds
from tests.security.conftest import NOW

MAKE = Command(
    """
    insert into company (company_id, short_id, name, sandbox, created_at)
    values (%(company_id)s, %(short_id)s, 'Acme', true, %(at)s)
    """
)


async def make(database: Database, short_id: int, *, minutes: int = 0) -> UUID:
    company_id = uuid7()
    at = NOW + timedelta(minutes=minutes)
    await MAKE.run(database, company_id=company_id, short_id=short_id, at=at)
    return company_id


async def test_a_company_of_another_process_is_found(key_database: Database) -> None:
    now = [0.0]
    ids = ShortIds(monotonic=lambda: now[0])
    first = await make(key_database, 1)
    assert ids.company_of(1) is None
    await ids.learn(key_database, 1)
    assert ids.company_of(1) == first

    second = await make(key_database, 2**32 - 1, minutes=60)
    late = await make(key_database, 3, minutes=-5)
    await ids.learn(key_database, 2**32 - 1)
    assert ids.company_of(2**32 - 1) is None, "looked a moment ago"
    now[0] = 2.0
    await ids.learn(key_database, 2**32 - 1)
    assert ids.company_of(2**32 - 1) == second
    assert ids.company_of(3) == late, "committed later than its time says"
    assert ids.company_of(1) == first


async def test_a_known_company_and_repeated_guesses_ask_nothing(key_database: Database) -> None:
    ids = ShortIds(monotonic=lambda: 0.0)
    await make(key_database, 1)
    await ids.refresh(key_database)
    await ids.learn(key_database, 1)
    await ids.learn(key_database, 2)
    await make(key_database, 2)
    for guess in range(2, 50):
        await ids.learn(key_database, guess)
        assert ids.company_of(guess) is None


async def test_the_map_is_bounded(key_database: Database) -> None:
    ids = ShortIds(maximum=2)
    for short_id in range(1, 5):
        await make(key_database, short_id, minutes=short_id)
    await ids.refresh(key_database)
    await ids.refresh(key_database)
    assert [ids.company_of(short_id) is not None for short_id in range(1, 5)] == [
        True, True, False, False,
    ]  # fmt: skip
