"""Commands for whoever keeps the installation running."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
import uvloop

import jetpay
from jetpay.cli.frame import AsJson, Failure, show, with_services
from jetpay.db import migrate as migrations
from jetpay.db.embedded import EmbeddedServer
from jetpay.security import key_status, rotation
from jetpay.security.logs import configure_logging
from jetpay.services import Services, root_keys_of
from jetpay.settings import Settings

ROOT = "root"
"""In `keys rotate`: wrap every working key again under the first root key."""


def migrate(as_json: AsJson = False) -> None:
    """Bring the database to the schema of this release."""
    configure_logging(level="warning")
    settings = Settings.read()
    if settings.database_url is not None:
        applied = uvloop.run(migrations.migrate(settings.database_url))
    else:
        with EmbeddedServer.acquire(settings.data_dir) as server:
            applied = uvloop.run(migrations.migrate(server.dsn("owner")))
    text = "\n".join(applied) or "Nothing to do: the database has this release's schema."
    show({"applied": applied}, text, as_json=as_json)


def check(as_json: AsJson = False) -> None:
    """Is this installation healthy and safe?"""
    from jetpay.check.findings import Level
    from jetpay.check.installation import examine

    configure_logging(level="critical")
    found = uvloop.run(examine(Settings.read()))
    listed = [
        {"check": each.check, "level": each.level.value, "message": each.message} for each in found
    ]
    is_ok = all(each.level is not Level.RED for each in found)
    lines = [f"{each.level.value:5} {each.message}" for each in found]
    show({"ok": is_ok, "checks": listed}, "\n".join(lines), as_json=as_json)
    if not is_ok:
        raise typer.Exit(1)


def keys_status(as_json: AsJson = False) -> None:
    """Which root keys are needed, and what the working keys are doing."""

    async def work(services: Services) -> key_status.KeysStatus:
        return await key_status.status(services.db, root_keys_of(services.settings))

    found = with_services(work)
    roots = [
        {"fingerprint": each.fingerprint, "given": each.given, "wraps": each.wraps,
         "keys": each.keys, "may_be_dropped": each.may_be_dropped}
        for each in found.root_keys
    ]  # fmt: skip
    working = [_key(each) for each in found.working_keys]
    lines = [
        f"root    {each.fingerprint}  wraps {each.keys} keys"
        + ("  may be dropped" if each.may_be_dropped else "")
        for each in found.root_keys
    ]
    lines += [
        f"{each.purpose:14} {each.number:3}  {each.state.value}" for each in found.working_keys
    ]
    show({"root_keys": roots, "working_keys": working}, "\n".join(lines), as_json=as_json)


def rotate_keys(
    purpose: Annotated[str, typer.Argument(help=f"As in 'keys status', or {ROOT}.")],
    now: Annotated[
        bool, typer.Option("--now", help="Use it at once: receivers may refuse for minutes.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a new working key, or wrap all of them again under the first root key."""

    async def work(services: Services) -> dict[str, object]:
        if purpose == ROOT:
            return {
                "purpose": ROOT,
                "wrapped": await rotation.rewrap(services.db, services.keyring),
            }
        made = await rotation.rotate(
            services.db, services.keyring, purpose, at=services.clock.now(), now=now
        )
        return {"purpose": purpose} if made is None else _key(made)

    done = with_services(work)
    show(done, "  ".join(f"{key}: {value}" for key, value in done.items()), as_json=as_json)


def _key(key: key_status.KeyStatus) -> dict[str, object]:
    return {
        "purpose": key.purpose,
        "number": key.number,
        "state": key.state.value,
        "root_key": key.root_fingerprint,
        "created_at": key.created_at,
        "activates_at": key.activates_at,
        "retires_at": key.retires_at,
    }


def bench(
    arguments: Annotated[list[str] | None, typer.Argument(help="Handed on.")] = None,
) -> None:
    """Measure this machine; needs the source tree."""
    tree = Path(jetpay.__file__).parents[2]
    if not (tree / "bench").is_dir():
        raise Failure("Measuring needs Jetpay's source tree: run 'make bench' there.")
    done = subprocess.run(
        [sys.executable, "-m", "bench", *(arguments or [])], cwd=tree, check=False
    )
    raise typer.Exit(done.returncode)
