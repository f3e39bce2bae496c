"""Whether the database is as safe as Jetpay leaves it, or as an operator must make it."""

import stat
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jetpay.check.findings import Finding, ok, red, warn
from jetpay.db.embedded import ROLES, EmbeddedServer
from jetpay.db.pool import Database
from jetpay.db.rows import Query

SNAPSHOT_SECONDS: Final = 60
SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "password_encryption": "scram-sha-256",
    "data_checksums": "on",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_statement": "none",
    "fsync": "on",
    "full_page_writes": "on",
}
"""What security rule 9 asks for, and that what was committed survives a crash."""


@dataclass(frozen=True, slots=True)
class Setting:
    name: str
    setting: str


@dataclass(frozen=True, slots=True)
class Role:
    name: str
    is_super: bool
    makes_roles: bool
    changes_events: bool


SETTINGS_NOW = Query(
    Setting,
    "select name, setting from pg_settings where name = any(%(names)s::text[])",
    never_null=("name", "setting"),
)
LAX_ACCESS = Query(
    int,
    """
    select count(*) as rules from pg_hba_file_rules
    where auth_method is distinct from 'scram-sha-256'
    """,
    never_null=("rules",),
)
WHO_WE_ARE = Query(
    Role,
    """
    select rolname::text as name, rolsuper as is_super, rolcreaterole as makes_roles,
           has_table_privilege('event', 'update') as changes_events
    from pg_roles where rolname = current_user
    """,
    never_null=("name", "is_super", "makes_roles", "changes_events"),
)
OLD_SNAPSHOTS = Query(
    int,
    """
    select count(*) as snapshots from pg_stat_activity
    where backend_xmin is not null
      and extract(epoch from clock_timestamp() - xact_start) > %(seconds)s
    """,
    never_null=("snapshots",),
)
FORGOTTEN = Query(
    int,
    """
    select (select count(*) from pg_prepared_xacts)
         + (select count(*) from pg_replication_slots where not active) as forgotten
    """,
    never_null=("forgotten",),
)


async def check_embedded(data_dir: Path, stack: AsyncExitStack) -> list[Finding]:
    """The server that Jetpay brought along; it was acquired by the caller."""
    server = EmbeddedServer.acquire(data_dir)
    stack.callback(server.release)
    db = await Database.open(server.dsn("super", "jetpay"), min_size=1, max_size=1)
    stack.push_async_callback(db.close)
    wrong = [*await _wrong_settings(db), *_wrong_modes(data_dir)]
    if await LAX_ACCESS.one(db):
        wrong.append("somebody may connect without a password (pg_hba.conf)")
    if wrong:
        sentence = "; ".join(wrong)
        found = [
            red(
                "hardening",
                f"The embedded database was changed: {sentence}. Stop all of Jetpay and start it"
                " again, which writes its settings anew; mend what then is left.",
            )
        ]
    else:
        found = [ok("hardening", "The embedded database is as closed as it was made.")]
    return found + await _check_snapshots(db)


async def check_external(db: Database) -> list[Finding]:
    """The one of JETPAY_DATABASE_URL."""
    found = [await _check_connection(db)]
    role = await WHO_WE_ARE.one(db)
    if role.is_super:
        found.append(
            red(
                "role",
                f"{role.name} is a superuser of the database: give Jetpay a role of its own.",
            )
        )
    elif role.changes_events or role.makes_roles:
        found.append(
            warn(
                "role",
                f"{role.name} may do more than running Jetpay needs (it owns the tables): migrate"
                " as their owner and run as jetpay_app, as docs/operating.md shows.",
            )
        )
    else:
        found.append(ok("role", f"{role.name} may add events and transfers, never change them."))
    return found + await _check_snapshots(db)


async def _check_connection(db: Database) -> Finding:
    async with db.connection() as connection:
        info = connection.info
        is_local = not info.host or info.host.startswith("/")
        is_tls = connection.pgconn.ssl_in_use
        sslmode = info.get_parameters().get("sslmode")
    if is_local:
        return ok("tls", "The database is reached by a local socket.")
    if is_tls and sslmode == "verify-full":
        return ok("tls", "The database is reached by TLS, and proves who it is.")
    return red(
        "tls",
        "The database is reached without proof of who it is: add sslmode=verify-full (and"
        " sslrootcert) to JETPAY_DATABASE_URL.",
    )


async def _wrong_settings(db: Database) -> list[str]:
    now = {each.name: each.setting for each in await SETTINGS_NOW.all(db, names=list(SETTINGS))}
    return [
        f"{name} is {now.get(name)!r} instead of {wanted!r}"
        for name, wanted in SETTINGS.items()
        if now.get(name) != wanted
    ]


def _wrong_modes(data_dir: Path) -> list[str]:
    modes: dict[Path, tuple[int, ...]] = {
        data_dir / f"jetpay_{role}.password": (0o600,) for role in ROLES
    }
    modes |= {data_dir / "postgres.log": (0o600,), data_dir / "postgres": (0o700,)}
    modes |= {data_dir: (0o700, 0o711), data_dir / "run": (0o700,)}
    return [
        f"{path} has mode {stat.S_IMODE(path.stat().st_mode):04o}"
        for path, allowed in modes.items()
        if path.exists() and stat.S_IMODE(path.stat().st_mode) not in allowed
    ]


async def _check_snapshots(db: Database) -> list[Finding]:
    """An open snapshot keeps dead versions of busy rows, and halves the speed in minutes."""
    if await OLD_SNAPSHOTS.one(db, seconds=SNAPSHOT_SECONDS):
        sentence = "A transaction has been open for over a minute (pg_stat_activity): end it."
        return [warn("snapshots", sentence)]
    if await FORGOTTEN.one(db):
        sentence = "A prepared transaction or unused replication slot holds old rows: drop it."
        return [warn("snapshots", sentence)]
    return [ok("snapshots", "No old snapshot slows the database down.")]
