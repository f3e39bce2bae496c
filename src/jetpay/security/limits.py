"""Limits per client network, and one per company, counted in the database."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from ipaddress import ip_network
from types import MappingProxyType
from typing import Final

from jetpay.base.refusals import RateLimited
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import OpensTransactions, Transaction
from jetpay.security.proxies import Address, Client


class LimitKind(StrEnum):
    """What is counted of a network, of a company by its identifier, or of an address by its MAC."""

    WRONG_ANSWER = "wrong_answer"
    UNKNOWN_LINK = "unknown_link"
    WEBHOOK_TEST = "webhook_test"
    MAIL_LIVE = "mail_live"
    MAIL_SANDBOX = "mail_sandbox"
    MAIL_ADDRESS = "mail_address"
    WARNING_ADDRESS = "warning_address"
    CODE_ADDRESS = "code_address"
    COMPANY_WRONG = "company_wrong"
    COMPANY_RIGHT = "company_right"


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `short_hits` within `short` and `long_hits` within `long`, counted by `bucket`."""

    bucket: timedelta
    short: timedelta
    short_hits: int
    long: timedelta
    long_hits: int


def _a_day(hits: int) -> Limit:
    day = timedelta(days=1)
    return Limit(timedelta(hours=1), day, hits, day, hits)


_AN_HOUR: Final = Limit(timedelta(minutes=5), timedelta(hours=1), 50, timedelta(hours=1), 50)

LIMITS: Final[Mapping[LimitKind, Limit]] = MappingProxyType(
    {
        LimitKind.WRONG_ANSWER: Limit(
            timedelta(minutes=5), timedelta(hours=1), 20, timedelta(days=1), 60
        ),
        LimitKind.UNKNOWN_LINK: Limit(
            timedelta(seconds=10), timedelta(minutes=1), 60, timedelta(minutes=1), 60
        ),
        LimitKind.WEBHOOK_TEST: Limit(
            timedelta(seconds=10), timedelta(minutes=1), 6, timedelta(minutes=1), 6
        ),
        LimitKind.MAIL_LIVE: _a_day(500),
        LimitKind.MAIL_SANDBOX: _a_day(50),
        LimitKind.MAIL_ADDRESS: _a_day(5),
        LimitKind.WARNING_ADDRESS: _a_day(20),
        LimitKind.CODE_ADDRESS: _a_day(20),
        LimitKind.COMPANY_WRONG: _AN_HOUR,
        LimitKind.COMPANY_RIGHT: _AN_HOUR,
    }
)


@dataclass(frozen=True, slots=True)
class _Hits:
    short: int
    long: int


TAKE: Final = Query(
    _Hits,
    """
    with taken as (
      insert into network_limit as n (network, kind, window_start, hits)
      values (%(network)s, %(kind)s, %(bucket)s, 1)
      on conflict (network, kind, window_start) do update set hits = n.hits + 1
      returning n.hits),
    forgotten as (
      delete from network_limit
      where network = %(network)s and kind = %(kind)s and window_start < %(long_since)s)
    select
      (select hits from taken)
        + coalesce(sum(hits) filter (where window_start > %(short_since)s), 0)::int as short,
      (select hits from taken) + coalesce(sum(hits), 0)::int as long
    from network_limit
    where network = %(network)s and kind = %(kind)s
      and window_start > %(long_since)s and window_start < %(bucket)s
    """,
    never_null=("short", "long"),
)
COUNTED: Final = Query(
    int,
    """
    select coalesce(sum(hits), 0)::int as hits from network_limit
    where network = %(network)s and kind = %(kind)s and window_start > %(since)s
    """,
    never_null=("hits",),
)
GIVE_BACK: Final = Command(
    """
    update network_limit set hits = hits - 1
    where (network, kind, window_start) = (
      select network, kind, window_start from network_limit
      where network = %(network)s and kind = %(kind)s and hits > 0
      order by window_start desc limit 1)
    """
)
FORGET: Final = Command("delete from network_limit where window_start < %(before)s")


def limited_network(client: Client) -> str | None:
    """What is counted: the IPv4 address or the IPv6 /64; None where all clients look like one."""
    if client.address is None or not client.is_certain:
        return None
    return _network(client.address, 32, 64)


def evidence_network(client: Client) -> str | None:
    """What is kept with an acceptance: the /24 or the /48."""
    return None if client.address is None else _network(client.address, 24, 48)


async def take(
    tx: OpensTransactions | Transaction,
    network: str,
    kind: LimitKind,
    *,
    now: datetime,
    at_most: int | None = None,
) -> None:
    """Count one; refuses `RateLimited` when that was too many, to be rolled back by the caller.

    `at_most`: what the operator has raised or lowered the long one to.
    """
    limit = LIMITS[kind]
    hits = await _take(tx, network, kind, now=now)
    if hits.long > (at_most or limit.long_hits):
        raise RateLimited(retry_after=int(limit.long.total_seconds()))
    if hits.short > (at_most or limit.short_hits):
        raise RateLimited(retry_after=int(limit.short.total_seconds()))


async def count(
    tx: OpensTransactions | Transaction, network: str, kind: LimitKind, *, now: datetime
) -> int:
    """Count one, whatever the limit; how many there were lately."""
    return (await _take(tx, network, kind, now=now)).short


async def counted(
    tx: OpensTransactions | Transaction, network: str, kind: LimitKind, *, now: datetime
) -> int:
    """How many there were lately."""
    limit = LIMITS[kind]
    since = now - limit.short - limit.bucket
    return await COUNTED.one(tx, network=network, kind=kind.value, since=since)


async def _take(
    tx: OpensTransactions | Transaction, network: str, kind: LimitKind, *, now: datetime
) -> _Hits:
    limit = LIMITS[kind]
    bucket = _bucket(now, limit.bucket)
    return await TAKE.one(
        tx,
        network=network,
        kind=kind.value,
        bucket=bucket,
        short_since=now - limit.short - limit.bucket,
        long_since=now - limit.long - limit.bucket,
    )


async def give_back(tx: OpensTransactions | Transaction, network: str, kind: LimitKind) -> None:
    """Take back one that should not count after all."""
    await GIVE_BACK.run(tx, network=network, kind=kind.value)


async def forget_old(tx: OpensTransactions | Transaction, *, now: datetime) -> int:
    """Drop what no limit counts any more; how many rows that were."""
    return await FORGET.run(tx, before=now - 2 * max(limit.long for limit in LIMITS.values()))


def _bucket(now: datetime, length: timedelta) -> datetime:
    seconds = int(length.total_seconds())
    return datetime.fromtimestamp(int(now.timestamp()) // seconds * seconds, UTC)


def _network(address: Address, bits_v4: int, bits_v6: int) -> str:
    bits = bits_v4 if address.version == 4 else bits_v6  # noqa: PLR2004
    return str(ip_network((address, bits), strict=False))
