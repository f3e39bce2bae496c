"""A defect in any function that holds a secret writes none of it to the log.

The story runs again and again: each time one more function of ours breaks at the moment in which
it holds a secret, with an exception whose text is that secret.
"""

import dataclasses
import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

import httpx
import pytest
import structlog
from fastapi import FastAPI
from pydantic import BaseModel

import jetpay
from jetpay.app import create_api
from jetpay.security.address_table import parse_allowed
from jetpay.security.logs import configure_logging
from jetpay.security.secrets import Secret
from jetpay.worker.advance import advance
from tests.api.conftest import BASE_URL
from tests.payment_page.browser import Browser
from tests.world import ANSWER, Company, make_company

pytestmark = pytest.mark.slow

SOURCE: Final = str(Path(jetpay.__file__).parent)
DEPTH: Final = 3
SAVED, TYPED, OWN_ANSWER = "7104998", "7309421", "Zwiebelturm"
API_KEY: Final = "opensesame-4711"
MOST_FUNCTIONS: Final = 400
NUMBERS = count(1)


class Break(Exception):
    """What a defect could say."""


class Saboteur:
    """Breaks one function at a time, each once; of all that could break, each `nth`."""

    def __init__(self, seeds: list[str], *, nth: int) -> None:
        self.seeds = seeds
        self.nth = nth
        self.broken: list[str] = []
        self._done: set[CodeType] = set()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        before = sys.gettrace()
        threading.settrace(self._enter)
        sys.settrace(self._enter)
        try:
            yield
        finally:
            sys.settrace(before)
            threading.settrace(None)

    def _enter(self, frame: FrameType, _: str, __: object) -> Any:
        code = frame.f_code
        ours = code.co_filename.startswith(SOURCE) and not code.co_filename.endswith("secrets.py")
        return self._look if ours and code not in self._done else None

    def _look(self, frame: FrameType, event: str, _: object) -> Any:
        if event in {"line", "return"} and (seed := self._held(frame.f_locals)):
            self._done.add(frame.f_code)
            if len(self._done) % self.nth:
                return None
            self.broken.append(f"{frame.f_code.co_filename}:{frame.f_code.co_qualname}")
            raise Break(f"it was {seed}")  # and by that tracing ends, until the next time
        return self._look

    def _held(self, value: object, depth: int = DEPTH) -> str | None:
        if isinstance(value, Secret):
            value = value.reveal()
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        if isinstance(value, str):
            return next((seed for seed in self.seeds if seed in value), None)
        inner: Any = ()
        if depth and isinstance(value, dict):
            inner = list(value.values())
        elif depth and isinstance(value, list | tuple):
            inner = value
        elif depth and isinstance(value, BaseModel):
            inner = list(value.__dict__.values())
        elif depth and dataclasses.is_dataclass(value) and not isinstance(value, type):
            inner = [getattr(value, each.name, None) for each in dataclasses.fields(value)]
        return next((seed for each in inner if (seed := self._held(each, depth - 1))), None)


async def story(app: FastAPI, company: Company, seeds: list[str]) -> bool:
    """Whether it came to its end. Every secret of ours is in it somewhere."""
    seeds.append(company.token)
    headers = {"Authorization": f"Bearer {company.token}"}
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    number = next(NUMBERS)
    async with (
        httpx.AsyncClient(transport=transport, base_url=BASE_URL, headers=headers) as client,
        Browser(app) as browser,
    ):
        browser.client._transport = httpx.ASGITransport(
            app, client=(f"2001:db8:{number:x}::2", 4711), raise_app_exceptions=False
        )
        account = {
            "contact_id": str(company.contact), "holder_name": "Robin Example",
            "institution_number": "003", "transit_number": "00002", "account_number": SAVED,
        }  # fmt: skip
        if (await client.put("/contact/bank_account", json=account)).status_code != 201:
            return False
        hook = {"callback_url": f"http://127.0.0.1:40001/{number}", "callback_api_key": API_KEY}
        if (made := await client.post("/webhooks/", json=hook)).status_code != 201:
            return False
        seeds.append(made.json()["signing_secret"])
        await client.delete(f"/webhooks/{made.json()['identifier']}")
        credit = {
            "amount": 100 + number, "statement": "Lamp", "contact_id": str(company.contact),
            "from_bank_account": str(company.bank_account),
            "security_question": "What stands in the village?", "security_answer": OWN_ANSWER,
        }  # fmt: skip
        if (made := await client.put("/credit", json=credit)).status_code != 200:
            return False
        token = made.json()["link"].rpartition("/")[2]
        seeds.append(token)
        await company.services.short_ids.refresh(company.services.db)
        await browser.open(token)
        await browser.submit(answer=OWN_ANSWER)
        typed = {
            "holder_name": "Robin Example", "institution_number": "003",
            "transit_number": "00002", "account_number": TYPED,
            "account_number_again": TYPED, "account_type": "chequing",
        }  # fmt: skip
        if browser.page.step != "details" or (await browser.submit(**typed)).step != "review":
            return False
        await browser.submit(decision="accept")
    if browser.page.state != "initiated":
        return False
    await advance(company.services, company.company_id, 1)
    return True


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """All that is logged, or said on stderr by what could not be; logging is then as it was."""
    root = logging.getLogger()
    before = (root.level, list(root.handlers), structlog.get_config())
    hooks = (sys.excepthook, threading.excepthook, sys.unraisablehook)
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logging(stream=stream, json=True, level="debug")
    for client in ("httpx", "httpcore"):  # the test's own, which tells what it asks for
        logging.getLogger(client).setLevel(logging.WARNING)
    yield stream
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    structlog.configure(**before[2])
    logging.captureWarnings(capture=False)
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks


async def prove(company: Company, written: io.StringIO, *, nth: int) -> int:
    """How many functions broke; nothing that was written names a seed."""
    allowed = {"webhook_allowed_networks": (parse_allowed("127.0.0.0/8"),)}
    settings = company.services.settings.model_copy(update=allowed)
    app = create_api(dataclasses.replace(company.services, settings=settings))
    seeds = [SAVED, TYPED, OWN_ANSWER, OWN_ANSWER.casefold(), API_KEY]
    assert await story(app, company, seeds), "it runs when nothing breaks"
    saboteur = Saboteur(seeds, nth=nth)
    for _ in range(MOST_FUNCTIONS):
        broken = len(saboteur.broken)
        another = await make_company(company.services)  # with nothing left over from the last one
        try:
            with saboteur.at_work():
                await story(app, another, seeds)
        except (Break, json.JSONDecodeError):
            pass  # of what no request stands around, and an answer that broke off
        if len(saboteur.broken) == broken:
            break
    said = written.getvalue()
    assert Break.__name__ in said
    for secret in (*seeds, ANSWER):
        assert secret not in said
    return len(saboteur.broken)


async def test_whatever_breaks_with_a_secret_in_hand_the_log_has_none(
    company: Company, written: io.StringIO
) -> None:
    assert await prove(company, written, nth=20) >= 5


@pytest.mark.campaign
async def test_wherever_it_breaks_with_a_secret_in_hand_the_log_has_none(
    company: Company, written: io.StringIO
) -> None:
    assert await prove(company, written, nth=1) > 100
