"""Answers are hashed under a pepper, in a bounded pool, at one cost for right and wrong."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import argon2
import pytest

from jetpay.base.refusals import Busy
from jetpay.db.pool import Database
from jetpay.security.keys import Keyring, Purpose, UnknownKey
from jetpay.security.passwords import AnswerHash, AnswerHasher
from jetpay.security.rotation import destroy, rotate
from jetpay.security.secrets import Secret
from tests.security.conftest import NOW
from tests.security.vectors import COMPANY, CREDIT, OTHER_COMPANY, ROW

RIGHT, WRONG = Secret("lievre bondissant"), Secret("lievre bondissan")


@pytest.fixture
async def hasher(keyring: Keyring) -> AsyncIterator[AnswerHasher]:
    hasher = AnswerHasher(keyring, threads=1)
    yield hasher
    hasher.close()


class Slow(AnswerHasher):
    """Works until it is told to stop, or until the test ends."""

    def __init__(self, keyring: Keyring) -> None:
        super().__init__(keyring, threads=1, queue_length=2)
        self.stop = False
        self.running = 0
        self.most = 0

    def _matches(self, encoded: str, peppered: bytes) -> bool:  # noqa: ARG002
        self.running += 1
        self.most = max(self.most, self.running)
        while not self.stop:
            time.sleep(0.005)
        self.running -= 1
        return True


@pytest.fixture
def slow(keyring: Keyring) -> Iterator[Slow]:
    slow = Slow(keyring)
    yield slow
    slow.stop = True
    slow.close()


async def test_the_right_answer_matches_and_nothing_else(hasher: AnswerHasher) -> None:
    stored = await hasher.hash(COMPANY, ROW, RIGHT)
    assert await hasher.verify(COMPANY, ROW, RIGHT, stored)
    assert not await hasher.verify(COMPANY, ROW, WRONG, stored)
    assert not await hasher.verify(OTHER_COMPANY, ROW, RIGHT, stored)
    assert not await hasher.verify(COMPANY, CREDIT, RIGHT, stored)


async def test_a_hash_has_the_cost_of_the_design(hasher: AnswerHasher) -> None:
    stored = await hasher.hash(COMPANY, ROW, RIGHT)
    assert stored.encoded.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert stored.pepper_number == 1
    assert (await hasher.hash(COMPANY, ROW, RIGHT)).encoded != stored.encoded


async def test_without_the_pepper_the_answer_cannot_be_tried(hasher: AnswerHasher) -> None:
    stored = await hasher.hash(COMPANY, ROW, RIGHT)
    with pytest.raises(argon2.exceptions.VerifyMismatchError):
        argon2.PasswordHasher().verify(stored.encoded, RIGHT.reveal())


async def test_answers_outlive_a_new_pepper_but_not_its_end(
    key_database: Database, keyring: Keyring, hasher: AnswerHasher
) -> None:
    stored = await hasher.hash(COMPANY, ROW, RIGHT)
    await rotate(key_database, keyring, Purpose.PEPPER, at=NOW, now=True)
    assert await hasher.verify(COMPANY, ROW, RIGHT, stored)
    assert (await hasher.hash(COMPANY, ROW, RIGHT)).pepper_number == 2
    await destroy(key_database, Purpose.PEPPER, 1, at=NOW + timedelta(minutes=5))
    await keyring.refresh(key_database)
    assert not await hasher.verify(COMPANY, ROW, RIGHT, stored)
    with pytest.raises(UnknownKey):  # of a rotation that this process has not heard of
        await hasher.verify(COMPANY, ROW, RIGHT, AnswerHash(stored.encoded, 3))


async def test_too_many_at_once_are_refused_and_the_rest_served(slow: Slow) -> None:
    stored = AnswerHash("", 1)
    waiting = [asyncio.create_task(slow.verify(COMPANY, ROW, RIGHT, stored)) for _ in range(3)]
    await asyncio.sleep(0.05)
    with pytest.raises(Busy):
        await slow.verify(COMPANY, ROW, RIGHT, stored)
    slow.stop = True
    assert await asyncio.gather(*waiting) == [True, True, True]
    assert slow.most == 1


async def test_who_waits_too_long_is_refused(slow: Slow) -> None:
    slow._wait_seconds = 0.05
    stored = AnswerHash("", 1)
    first = asyncio.create_task(slow.verify(COMPANY, ROW, RIGHT, stored))
    await asyncio.sleep(0.01)
    with pytest.raises(Busy):
        await slow.verify(COMPANY, ROW, RIGHT, stored)
    slow.stop = True
    assert await first
    assert slow._waiting == 0


async def test_callers_that_leave_do_not_let_more_threads_run(slow: Slow) -> None:
    stored = AnswerHash("", 1)
    left = asyncio.create_task(slow.verify(COMPANY, ROW, RIGHT, stored))
    await asyncio.sleep(0.05)
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    assert slow._free.locked(), "its thread still works"
    second = asyncio.create_task(slow.verify(COMPANY, ROW, RIGHT, stored))
    await asyncio.sleep(0.02)
    slow.stop = True
    assert await second
    assert slow.most == 1


async def test_one_company_s_new_answers_leave_the_pool_to_everybody_s_payees(
    hasher: AnswerHasher,
) -> None:
    hasher._argon2 = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    stored = await hasher.hash(OTHER_COMPANY, ROW, RIGHT)
    many = [asyncio.create_task(hasher.hash(COMPANY, ROW, RIGHT)) for _ in range(100)]
    await asyncio.sleep(0)
    assert await hasher.verify(OTHER_COMPANY, ROW, RIGHT, stored)
    answers = await asyncio.gather(*many, return_exceptions=True)
    made = [answer for answer in answers if isinstance(answer, AnswerHash)]
    assert len(made) in range(10, 50)
    assert all(isinstance(answer, AnswerHash | Busy) for answer in answers)


async def test_ten_answers_a_second_are_hashed_without_a_wait(hasher: AnswerHasher) -> None:
    began = time.monotonic()
    for _ in range(10):
        with pytest.raises(StopIteration):  # it ends without having waited for anything
            hasher._wait_turn(COMPANY).send(None)
    await hasher._wait_turn(COMPANY)
    assert time.monotonic() - began >= 0.05
