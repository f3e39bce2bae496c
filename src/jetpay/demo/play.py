"""From nothing to pages to click: a database, a server, a company, the story, and the end."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Final

import jetpay
from jetpay.bank_accounts.actions import add_company_account
from jetpay.bank_accounts.model import NewBankAccount, Rail
from jetpay.banking import canada
from jetpay.base.ids import CompanyId, uuid7
from jetpay.companies.actions import create_company
from jetpay.companies.model import Scope
from jetpay.companies.questions import prepare_question
from jetpay.companies.tokens import create_token
from jetpay.demo.calls import HOST, is_ready
from jetpay.demo.inbox import Inbox
from jetpay.demo.story import COMPANY_NAME, Cast, Seeds, Story, StoryFailed
from jetpay.demo.tell import Teller
from jetpay.events.model import OPERATOR
from jetpay.ledger.prove import prove
from jetpay.security.logs import configure_logging
from jetpay.security.secrets import Secret
from jetpay.services import DEMO_QUESTION, Services, open_services
from jetpay.settings import Settings

USUAL_PORT: Final = 8080
START_SECONDS: Final = 120.0
STOP_SECONDS: Final = 15.0
SUPPORT_CONTACT: Final = "payments@lighthouse.example"
LOG: Final = "jetpay.log"
LOG_LINES: Final = 15


def play(
    *,
    once: bool,
    port: int | None = None,
    as_json: bool = False,
    seeds: Seeds | None = None,
    data_dir: Path | None = None,
) -> None:
    """Raises `StoryFailed`. `data_dir` is kept; without one everything is thrown away."""
    began = time.monotonic()
    configure_logging(level="warning")
    signal.signal(signal.SIGTERM, _leave)
    tell = Teller(None) if as_json else Teller.on_stdout()
    with ExitStack() as stack:
        folder = data_dir or Path(stack.enter_context(_throw_away()))
        inbox = Inbox(HOST)
        stack.callback(inbox.close)
        environment = _environment(folder, port or _free_port(), inbox.port)
        runner = stack.enter_context(asyncio.Runner())
        tell.plain("Jetpay demo: a database, a server and a company, all of them to throw away.")
        settings = Settings.read(dict(environment))
        services = runner.run(open_services(settings))
        stack.callback(lambda: runner.run(services.close()))
        cast = runner.run(_cast(services, seeds or Seeds()))
        stack.enter_context(_serving(environment, folder, cast.port))
        tell.note(f"'jetpay serve' answers on {settings.public_url}; its log is {folder / LOG}")
        story = Story(cast, inbox, tell)
        story.play()
        proof = runner.run(prove(services.db))
        tell.step("jetpay ledger prove")
        if not proof.clean:
            raise StoryFailed("The ledger does not agree with the credits and the bank files.")
        tell.note(f"{proof.credits} credit: ledger, credits and bank files agree.")
        seconds = round(time.monotonic() - began, 1)
        ended: dict[str, object] = {"ok": True, "seconds": seconds, "events": len(inbox.events)}
        tell.plain(f"\nThe whole story took {seconds} seconds.")
        if not once:
            ended |= _show_what_to_click(story, cast, settings, tell)
        if as_json:
            print(json.dumps(ended), flush=True)
        if not once:
            _wait()


async def _cast(services: Services, seeds: Seeds) -> Cast:
    """What `jetpay company create`, `bank-account create` and `token create` do."""
    now = services.clock.now()
    company_id = CompanyId(uuid7())
    question = await prepare_question(
        services.hasher,
        company_id,
        question=DEMO_QUESTION,
        answer=Secret(seeds.answer),
        company_name=COMPANY_NAME,
    )
    await create_company(
        services.db,
        company_id,
        name=COMPANY_NAME,
        question=question,
        sandbox=True,
        support_contact=SUPPORT_CONTACT,
        now=now,
    )
    account = await add_company_account(
        services.db,
        company_id,
        NewBankAccount(
            account=canada.validate("001", "00011", "1000001"),
            holder_name=COMPANY_NAME,
            title="Operating account",
        ),
        rail=Rail.SANDBOX,
        vault=services.vault,
        keyring=services.keyring,
        by=OPERATOR,
        at=now,
    )
    new = await create_token(services.db, company_id, name="Demo", scopes=list(Scope), now=now)
    return Cast(
        port=services.settings.port,
        company=str(company_id),
        token=new.token.reveal(),
        bank_account=str(account),
        seeds=seeds,
    )


def _environment(folder: Path, port: int, inbox_port: int) -> dict[str, str]:
    """All that the server gets: none of the settings of whoever watches."""
    ours = str(Path(jetpay.__file__).parents[1])
    return {
        "PYTHONPATH": os.pathsep.join([ours, *filter(None, sys.path)]),
        "LC_ALL": "C.UTF-8",
        "PATH": "/usr/bin:/bin",
        "JETPAY_DATA_DIR": str(folder),
        "JETPAY_HOST": HOST,
        "JETPAY_PORT": str(port),
        "JETPAY_WORKERS": "1",
        "JETPAY_WEBHOOK_ALLOWED_NETWORKS": f"{HOST}:{inbox_port}",
        "JETPAY_METRICS_LISTEN": "off",
    }


@contextmanager
def _serving(environment: dict[str, str], folder: Path, port: int) -> Iterator[None]:
    """`jetpay serve` as a process of its own, answering."""
    with (folder / LOG).open("ab") as log:
        server = subprocess.Popen(
            [sys.executable, "-P", "-m", "jetpay", "serve"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for us, who then tell the server
        )
    try:
        until = time.monotonic() + START_SECONDS
        while not is_ready(port):
            if server.poll() is not None or time.monotonic() > until:
                end = (folder / LOG).read_text(errors="replace").splitlines()[-LOG_LINES:]
                raise StoryFailed("'jetpay serve' did not start:\n" + "\n".join(end))
            time.sleep(0.1)
        yield
    finally:
        server.terminate()
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()


def _show_what_to_click(
    story: Story, cast: Cast, settings: Settings, tell: Teller
) -> dict[str, object]:
    link = story.fresh_link()
    reference = f"{settings.public_url}/docs"
    tell.plain("\nNow you:")
    tell.plain(f"  a payment for you   {link}")
    tell.plain(f"  {DEMO_QUESTION} {cast.seeds.answer}")
    tell.plain(f"  the API's reference {reference}")
    tell.plain(f"  a sandbox token     {cast.token}")
    tell.plain("\nCtrl-C ends the demo and throws everything away.")
    return {
        "link": link,
        "answer": cast.seeds.answer,
        "docs": reference,
        "token": cast.token,  # of a company that is thrown away, and no money ever moves
    }


def _wait() -> None:
    with suppress(KeyboardInterrupt):
        while True:
            signal.pause()


def _leave(_: int, __: FrameType | None) -> None:
    raise SystemExit(0)


@contextmanager
def _throw_away() -> Iterator[str]:
    folder = tempfile.mkdtemp(prefix="jetpay-demo-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    """The usual one, or any."""
    for port in (USUAL_PORT, 0):
        with suppress(OSError), socket.create_server((HOST, port)) as found:
            return int(found.getsockname()[1])
    raise StoryFailed("No port is free.")
