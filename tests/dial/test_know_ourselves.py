"""Where our own services are is looked up as they themselves would, and never forgotten."""

import asyncio
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import pytest

from jetpay.security.ourselves import Ourselves, is_own_address
from tests.dial.peers import names, nobody

pytestmark = pytest.mark.asyncio(loop_scope="module", loop_factories=["uvloop"])

Closer = Callable[[Any], Any]
DATABASE = ("db.example.com", 5432)


async def test_a_service_that_moves_is_found_within_a_minute(closing: Closer) -> None:
    table, seconds = {"db.example.com": ["93.184.216.1", "2606:4700::1"]}, [0.0]
    ourselves = closing(
        Ourselves([DATABASE], is_ours=nobody, resolve=names(table), monotonic=lambda: seconds[0])
    )
    first = {(ip_address("93.184.216.1"), 5432), (ip_address("2606:4700::1"), 5432)}
    assert (await ourselves.surroundings()).guarded == first
    table["db.example.com"] = ["93.184.216.2"]
    seconds[0] = 59.0
    await ourselves.surroundings()
    await asyncio.sleep(0.02)
    assert (await ourselves.surroundings()).guarded == first
    seconds[0] = 60.0
    await ourselves.surroundings()  # nobody waits for the second look
    await asyncio.sleep(0.02)
    assert (await ourselves.surroundings()).guarded == {(ip_address("93.184.216.2"), 5432)}


async def test_a_service_whose_name_server_fails_stays_where_it_was(closing: Closer) -> None:
    table, seconds = {"db.example.com": ["93.184.216.1"]}, [0.0]
    ourselves = closing(
        Ourselves([DATABASE], is_ours=nobody, resolve=names(table), monotonic=lambda: seconds[0])
    )
    before = await ourselves.surroundings()
    table.clear()
    seconds[0] = 100.0
    await ourselves.surroundings()
    await asyncio.sleep(0.02)
    assert (await ourselves.surroundings()).guarded == before.guarded
    assert before.names == {"db.example.com"}


async def test_many_who_ask_at_once_cause_one_look(closing: Closer) -> None:
    asked = []

    async def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        await asyncio.sleep(0.02)
        return ["93.184.216.1"]

    ourselves = closing(Ourselves([DATABASE], is_ours=nobody, resolve=resolve))
    known = await asyncio.gather(*(ourselves.surroundings() for _ in range(50)))
    assert len(asked) == 1
    assert {len(each.guarded) for each in known} == {1}
    assert await ourselves.addresses(DATABASE) == [ip_address("93.184.216.1")]


async def test_a_caller_that_gives_up_leaves_the_look_to_the_others(closing: Closer) -> None:
    go_on = asyncio.Event()

    async def resolve(_host: str, _port: int) -> list[str]:
        await go_on.wait()
        return ["93.184.216.1"]

    ourselves = closing(Ourselves([DATABASE], is_ours=nobody, resolve=resolve))
    first = asyncio.create_task(ourselves.surroundings())
    second = asyncio.create_task(ourselves.surroundings())
    await asyncio.sleep(0.02)
    first.cancel()
    go_on.set()
    assert len((await second).guarded) == 1


async def test_literals_need_no_name_server(closing: Closer) -> None:
    ourselves = closing(Ourselves([("127.0.0.1", 25), ("::1", 25)]))
    guarded = (await ourselves.surroundings()).guarded
    assert guarded == {(ip_address("127.0.0.1"), 25), (ip_address("::1"), 25)}


async def test_an_address_of_an_interface_is_ours() -> None:
    assert is_own_address(ip_address("127.0.0.1"))
