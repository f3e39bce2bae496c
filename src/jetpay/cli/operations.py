"""Commands for whoever keeps the installation running."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
import uvloop

import jetpay
from jetpay.cli.frame import AsJson, Failure, show, warn
from jetpay.db import migrate as migrations
from jetpay.db.embedded import EmbeddedServer
from jetpay.security.logs import configure_logging
from jetpay.settings import Settings

NO_PROGRAM_ROLE = (
    "Warning: there is no role jetpay_app, and the one of JETPAY_DATABASE_URL may not make it."
    " Let a superuser run \"create role jetpay_app login password '…'\", then 'jetpay migrate'"
    " again; until then Jetpay can only run as the owner of its tables, who may change events."
)


def migrate(as_json: AsJson = False) -> None:
    """Bring the database to the schema of this release."""
    configure_logging(level="warning")
    settings = Settings.read()
    if settings.database_url is not None:
        applied = uvloop.run(migrations.migrate(settings.database_url))
        if not uvloop.run(migrations.has_program_role(settings.database_url)):
            warn(NO_PROGRAM_ROLE)
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


def bench(
    arguments: Annotated[
        list[str] | None, typer.Argument(help="--json, --quick; webhooks measures those.")
    ] = None,
) -> None:
    """Measure this machine; needs the source tree."""
    tree = Path(jetpay.__file__).parents[2]
    if not (tree / "bench").is_dir():
        raise Failure("Measuring needs Jetpay's source tree: run 'make bench' there.")
    done = subprocess.run(
        [sys.executable, "-m", "bench", *(arguments or [])], cwd=tree, check=False
    )
    raise typer.Exit(done.returncode)
