"""What a process of Jetpay works with, opened once and closed once."""

import asyncio
import os
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jetpay.base.clock import Clock, SystemClock
from jetpay.companies.identities import TokenIdentities
from jetpay.companies.installation import HAS_LIVE_COMPANY, QUESTION_IN_USE
from jetpay.credits.births import Births
from jetpay.credits.dispatch import Dispatcher
from jetpay.db.embedded import EmbeddedServer
from jetpay.db.migrate import migrate, pending
from jetpay.db.pool import Database
from jetpay.db.postgres_account import unusable
from jetpay.events.wake import Wake
from jetpay.security.dial import Dialler
from jetpay.security.key_rows import ROOT_USES
from jetpay.security.keys import Keyring, MissingRootKey
from jetpay.security.passwords import AnswerHasher
from jetpay.security.rootkeys import KeyProblem, RootKey, generate_root_key, parse_root_keys
from jetpay.security.secrets import Secret
from jetpay.security.short_ids import ShortIds
from jetpay.security.vault import Vault
from jetpay.settings import Settings, SettingsProblem, production_problems
from jetpay.webhooks.addresses import dialler_of

POOL_MINIMUM: Final = 2
POOL_MAXIMUM: Final = 10
INTAKE_QUICK: Final = 2
INTAKE_PATIENT: Final = 4
ROOT_KEYS_FILE: Final = "root-keys"
DEMO_QUESTION: Final = "Which town is the demo's lighthouse in?"
"""Everybody can read its answer in the demo's story."""


class NotMigrated(SettingsProblem):
    """The database is not at this release's schema; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Reached by the faces as `request.app.state.services`."""

    settings: Settings
    clock: Clock
    db: Database
    dsn: Secret[str]
    keyring: Keyring
    vault: Vault
    hasher: AnswerHasher
    short_ids: ShortIds
    identities: TokenIdentities
    births: Births
    wake: Wake
    dialler: Dialler
    stack: AsyncExitStack

    async def close(self) -> None:
        """Gives back connections, threads and, as its last user, the embedded server."""
        await self.stack.aclose()


async def open_services(
    settings: Settings,
    *,
    clock: Clock | None = None,
    pool_size: int = POOL_MAXIMUM,
    durable: bool = True,
    check_production: bool = True,
) -> Services:
    """Starts or joins the embedded server where no database is named, and migrates it.

    Raises `SettingsProblem` (with a sentence for the operator), `ServerRefused`, `KeyProblem`
    and `psycopg_pool.PoolTimeout`. `durable=False`: an embedded database of tests.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        dsn = await _database(settings, stack, durable=durable)
        db = await Database.open(dsn, min_size=POOL_MINIMUM, max_size=pool_size)
        stack.push_async_callback(db.close)
        if check_production:
            await refuse_unsafe_production(db, settings)
        keyring = await _keyring(db, settings, clock)
        hasher = AnswerHasher(keyring)
        stack.callback(hasher.close)
        short_ids = ShortIds()
        await short_ids.refresh(db)
        wake = Wake(db)
        stack.push_async_callback(wake.close)
        dialler = dialler_of(settings)
        stack.push_async_callback(dialler.close)
        births = await _births(
            dsn, stack, db=db, keyring=keyring, clock=clock, hasher=hasher,
            can_mail=settings.can_mail,
        )  # fmt: skip
        return Services(
            settings=settings,
            clock=clock,
            db=db,
            dsn=dsn,
            keyring=keyring,
            vault=Vault(keyring),
            hasher=hasher,
            short_ids=short_ids,
            identities=TokenIdentities(db, short_ids),
            births=births,
            wake=wake,
            dialler=dialler,
            stack=stack.pop_all(),
        )
    raise AssertionError("unreachable: the stack swallows nothing")


async def _database(settings: Settings, stack: AsyncExitStack, *, durable: bool) -> Secret[str]:
    """The running program's connection string, of a database that is migrated."""
    if settings.database_url is not None:
        missing = await pending(settings.database_url)
        if missing:
            raise NotMigrated(
                f"The database of JETPAY_DATABASE_URL lacks {len(missing)} migrations:"
                " run 'jetpay migrate' first."
            )
        return settings.database_url
    server = await asyncio.to_thread(
        lambda: EmbeddedServer.acquire(settings.data_dir, durable=durable)
    )
    stack.push_async_callback(asyncio.to_thread, server.release)
    await migrate(server.dsn("owner"))
    return server.dsn("app")


async def _keyring(db: Database, settings: Settings, clock: Clock) -> Keyring:
    """All keys, opened, with the first of each purpose made."""
    # Beside a database that has keys, a new root key would open none of them.
    uses = await ROOT_USES.all(db)
    root_keys = await asyncio.to_thread(root_keys_of, settings, may_make=not uses)
    try:
        keyring = await Keyring.load(db, root_keys, clock=clock, rsa_bits=settings.webhook_rsa_bits)
    except MissingRootKey as missing:
        raise MissingRootKey(missing.fingerprint, place_of_root_keys(settings)) from None
    await keyring.ensure(db)
    return keyring


async def _births(
    dsn: Secret[str],
    stack: AsyncExitStack,
    *,
    db: Database,
    keyring: Keyring,
    clock: Clock,
    hasher: AnswerHasher,
    can_mail: bool,
) -> Births:
    """What makes credits, with its own few connections and its loop."""
    quick = await Database.open(dsn, max_size=INTAKE_QUICK, lock_timeout="100ms")
    stack.push_async_callback(quick.close)
    patient = await Database.open(dsn, max_size=INTAKE_PATIENT, lock_timeout="10s")
    stack.push_async_callback(patient.close)
    dispatcher = Dispatcher(quick=quick, patient=patient, keyring=keyring, clock=clock)
    dispatcher.start()
    stack.push_async_callback(dispatcher.stop)
    return Births(
        db, dispatcher, keyring=keyring, vault=Vault(keyring), clock=clock, hasher=hasher,
        can_mail=can_mail,
    )  # fmt: skip


async def refuse_unsafe_production(db: Database, settings: Settings) -> None:
    """Raises `SettingsProblem` where this installation must not run as it is."""
    problems = production_problems(
        settings,
        await HAS_LIVE_COMPANY.one(db),
        demo_question_in_use=await QUESTION_IN_USE.one(db, question=DEMO_QUESTION),
    )
    if problems:
        raise SettingsProblem(" ".join(problems))


def root_keys_of(settings: Settings, *, may_make: bool = False) -> tuple[RootKey, ...]:
    """Those that were set, or the one of the data directory, made where it may be.

    Raises `KeyProblem`.
    """
    if settings.secret_keys is not None:
        return parse_root_keys(settings.secret_keys)
    path = settings.data_dir / ROOT_KEYS_FILE
    if may_make and not path.exists():
        try:
            settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            _publish(path, generate_root_key())
        except OSError as error:
            raise KeyProblem(unusable(settings.data_dir, error)) from None
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise KeyProblem(
            f"{path} is gone, and the database's keys open with it alone: put it back, or give"
            " its root key by JETPAY_SECRET_KEYS."
        ) from None
    except (OSError, UnicodeDecodeError):
        raise KeyProblem(f"{path} cannot be read as Jetpay's user.") from None
    return parse_root_keys(Secret(text))


def place_of_root_keys(settings: Settings) -> str:
    """Where an operator puts them: the variable, or the file."""
    if settings.secret_keys is not None:
        return "JETPAY_SECRET_KEYS"
    return str(settings.data_dir / ROOT_KEYS_FILE)


def _publish(path: Path, key: str) -> None:
    """Whole or not at all, and never over one that another process was faster to make."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")  # mode 0600
    draft = Path(name)
    with os.fdopen(handle, "w") as file:
        file.write(key + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
