"""Everything that is checked, in order: settings and keys, then the database, then the work."""

import asyncio
import os
import stat
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psycopg
from psycopg_pool import PoolTimeout

from jetpay.base.clock import SystemClock
from jetpay.check.database import check_embedded, check_external
from jetpay.check.findings import Finding, ok, red, warn
from jetpay.check.work import check_clock, check_worker
from jetpay.companies.installation import HAS_LIVE_COMPANY, QUESTION_IN_USE
from jetpay.db.embedded import EmbeddedServer
from jetpay.db.migrate import MigrationRefused, pending
from jetpay.db.pool import Database, why_unreachable
from jetpay.db.postgres_account import ServerRefused
from jetpay.security.key_rows import ROOT_USES
from jetpay.security.rootkeys import KeyProblem, named
from jetpay.security.seal_keys import MissingRootKey
from jetpay.security.secrets import Secret
from jetpay.services import DEMO_QUESTION, ROOT_KEYS_FILE, place_of_root_keys, root_keys_of
from jetpay.settings import Settings, production_problems, unknown_variables

ANSWER_SECONDS: Final = 10.0
PRIVATE_MODES: Final = (0o600, 0o400)
OLDEST_POSSIBLE: Final = datetime(2026, 1, 1, tzinfo=UTC)
OTHERS_WRITE: Final = 0o022


async def examine(settings: Settings) -> list[Finding]:
    """Never raises: what cannot be looked at is a finding too."""
    found = [*check_keys(settings), *check_settings(settings)]
    async with AsyncExitStack() as stack:
        found += await _check_database(settings, stack)
    return found


def check_keys(settings: Settings) -> list[Finding]:
    """Root keys that lie in files are ours alone."""
    files = [settings.secret_keys_file]
    if settings.secret_keys is None:
        files = [settings.data_dir / ROOT_KEYS_FILE]
    return [_check_key_file(file) for file in files if file is not None and file.exists()] + [
        red("keys", f"{folder} may be written by others: chmod go-w {folder}")
        for folder in [settings.data_dir]
        if folder.exists() and folder.stat().st_mode & OTHERS_WRITE
    ]


async def check_root_keys(settings: Settings, db: Database) -> Finding:
    """Whether the root keys that were given open what the database has."""
    needed = [use.root_fingerprint for use in await ROOT_USES.all(db)]
    try:
        given = root_keys_of(settings) if needed else ()
    except KeyProblem as problem:
        return red("root-keys", str(problem))
    missing = [each for each in needed if named(given, each) is None]
    if missing:
        return red("root-keys", str(MissingRootKey(missing[0], place_of_root_keys(settings))))
    return ok("root-keys", "The root keys open every key of the database.")


def _check_key_file(file: Path) -> Finding:
    found = file.stat()
    mode = stat.S_IMODE(found.st_mode)
    if found.st_uid not in {0, os.geteuid()}:
        return red(
            "keys",
            f"The root keys in {file} belong to user {found.st_uid}: run Jetpay and 'jetpay check'"
            " as that user, or give the file to Jetpay's.",
        )
    if mode in PRIVATE_MODES:
        return ok("keys", f"The root keys in {file} are readable by their owner alone.")
    return red(
        "keys",
        f"The root keys in {file} are readable by others (mode {mode:04o}): chmod 600 {file},"
        " and rotate them, for they may have been read.",
    )


def check_settings(settings: Settings) -> list[Finding]:
    """What can be said without the database."""
    found = [
        warn("settings", f"{name} is no setting of Jetpay: is it spelled as in configuration.md?")
        for name in unknown_variables()
    ]
    found.append(
        ok("mail", f"Mails go out from {settings.mail_from}.")
        if settings.can_mail
        else warn(
            "mail",
            "JETPAY_SMTP_URL is not set: live companies mail no links, no notices and no codes, so"
            " the security question alone guards their payments.",
        )
    )
    if settings.is_https and not settings.trusted_proxies:
        found.append(
            red(
                "proxies",
                "JETPAY_TRUSTED_PROXIES is not set, but https means that a proxy stands before"
                " Jetpay: without it all payees look like one, and limits by address are off.",
            )
        )
    if SystemClock().now() < OLDEST_POSSIBLE:
        found.append(red("clock", "This machine's clock is years behind: set it."))
    return found


async def _check_database(settings: Settings, stack: AsyncExitStack) -> list[Finding]:
    try:
        dsn, owner = await _reach(settings, stack)
        missing = await pending(owner)
        db = await Database.open(
            dsn,
            max_size=2,
            application_name="jetpay check",
            wait_seconds=ANSWER_SECONDS,
        )
    except ServerRefused as refused:
        return [red("database", str(refused)), *_check_production(settings, [])]
    except MigrationRefused as refused:
        return [red("migrations", str(refused))]
    except (psycopg.Error, OSError, TimeoutError) as error:
        where = "JETPAY_DATABASE_URL" if settings.database_url else "The embedded database"
        why = "it does not answer"
        if isinstance(error, psycopg.Error) and not isinstance(error, PoolTimeout):
            why = why_unreachable(error)
        return [
            red("database", f"{where} cannot be used: {why}"),
            *_check_production(settings, []),
        ]
    stack.push_async_callback(db.close)
    found = [ok("database", "The database answers.")]
    if missing:
        sentence = f"The database lacks {', '.join(missing)}: run 'jetpay migrate'."
        return [*found, red("migrations", sentence), *_check_production(settings, [])]
    found.append(ok("migrations", "The database has this release's schema."))
    found.append(await check_root_keys(settings, db))
    found += await _check_content(settings, db)
    if settings.database_url is None:
        return found + await check_embedded(settings.data_dir, stack)
    return found + await check_external(db)


async def _reach(settings: Settings, stack: AsyncExitStack) -> tuple[Secret[str], Secret[str]]:
    """The connection strings of the program and of the schema's owner."""
    if settings.database_url is not None:
        return settings.database_url, settings.database_url
    if not (settings.data_dir / "postgres").exists():
        raise ServerRefused(
            f"There is no database in {settings.data_dir} yet: 'jetpay serve' makes one there, or"
            " set JETPAY_DATA_DIR or JETPAY_DATABASE_URL to where it is."
        )
    server = await asyncio.to_thread(EmbeddedServer.acquire, settings.data_dir)
    stack.push_async_callback(asyncio.to_thread, server.release)
    return server.dsn("app"), server.dsn("owner")


async def _check_content(settings: Settings, db: Database) -> list[Finding]:
    problems = production_problems(
        settings,
        await HAS_LIVE_COMPANY.one(db),
        demo_question_in_use=await QUESTION_IN_USE.one(db, question=DEMO_QUESTION),
    )
    found = _check_production(settings, problems)
    return [*found, *await check_clock(db), *await check_worker(db)]


def _check_production(settings: Settings, problems: list[str]) -> list[Finding]:
    told = problems or production_problems(settings, has_live_company=False)
    return [red("production", each) for each in told] or [
        ok("production", f"{settings.public_url} may be served as it is.")
    ]
