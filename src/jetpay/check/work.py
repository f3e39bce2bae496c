"""Whether clocks agree and somebody does what is due."""

from datetime import datetime, timedelta
from typing import Final

from jetpay.base.clock import SystemClock
from jetpay.check.findings import Finding, ok, red, warn
from jetpay.db.pool import Database
from jetpay.db.rows import Query
from jetpay.worker.heartbeat import DEAD_AFTER, LAST_SEEN, OLDEST_DUE

SKEW: Final = timedelta(seconds=5)
"""Tokens that sign webhooks live 90 seconds; receivers allow little more."""
BEHIND: Final = timedelta(minutes=5)

# Asked to judge clocks, not to tell the time.
DATABASE_CLOCK = Query(datetime, "select clock_timestamp() as clock", never_null=("clock",))


# Not our own: `jetpay check` has another name.
FIRST_CONNECTED = Query(
    datetime,
    """
    select backend_start from pg_stat_activity
    where application_name = 'jetpay' and datname = current_database()
      and backend_start is not null
    order by backend_start limit 1
    """,
    never_null=("backend_start",),
)


async def check_clock(db: Database) -> list[Finding]:
    """Ours against the database's, and against the last time that somebody wrote down."""
    before = SystemClock().now()
    theirs = await DATABASE_CLOCK.one(db)
    after = SystemClock().now()
    off = max(before - theirs, theirs - after, timedelta())
    if off > SKEW:
        return [
            red(
                "clock",
                f"This machine's clock and the database's differ by {off.total_seconds():.0f}"
                " seconds: let both follow a time server.",
            )
        ]
    seen = await LAST_SEEN.first(db)
    if seen is not None and seen > after + SKEW:
        return [
            red("clock", "The clock was turned back since a worker last wrote the time: set it.")
        ]
    return [ok("clock", "This machine's clock and the database's agree.")]


async def check_worker(db: Database) -> list[Finding]:
    """Whether a worker was seen lately, and keeps up."""
    now = SystemClock().now()
    seen = await LAST_SEEN.first(db)
    if seen is None or now - seen > DEAD_AFTER:
        started = await FIRST_CONNECTED.first(db)
        if started is not None and now - started < DEAD_AFTER:
            return [warn("worker", "No worker is known yet, but Jetpay has only just started.")]
        last = "none is known" if seen is None else f"the last was seen {_ago(now - seen)} ago"
        return [
            red(
                "worker",
                f"No worker is running ({last}): nothing is paid, expired or delivered. Start"
                " 'jetpay serve' (without --no-worker) or 'jetpay work'.",
            )
        ]
    oldest = await OLDEST_DUE.first(db)
    if oldest is not None and now - oldest > BEHIND:
        late = _ago(now - oldest)
        return [warn("worker", f"Workers are {late} behind: their log says why, or start more.")]
    return [ok("worker", "A worker is running and keeps up.")]


def _ago(time: timedelta) -> str:
    minutes = int(time.total_seconds() // 60)
    return f"{minutes} minutes" if minutes else f"{int(time.total_seconds())} seconds"
