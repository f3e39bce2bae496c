"""What a company and its payees do all the time, whether or not anybody answers."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPException
from typing import Any

from jetpay.demo.calls import Answer, Browser
from jetpay.demo.story import call_json

PATIENCE_SECONDS = 120.0
ANSWER = "Trois-Pistoles"
PAID_ACCOUNT = {
    "holder_name": "Robin Example",
    "institution_number": "003",
    "transit_number": "00002",
    "account_number": "1000001",
}
"""The simulated bank pays it, always."""
FORMS: tuple[dict[str, str], ...] = (
    {"answer": ANSWER},
    {**PAID_ACCOUNT, "account_number_again": "1000001", "account_type": "chequing"},
    {"decision": "accept"},
)
"""What a payee types, page by page."""
SEE_OTHER, REFUSED, AWAY = 303, 400, 503


@dataclass(frozen=True)
class Acknowledged:
    """A credit that Jetpay said it made; `sent`: what for."""

    sent: dict[str, Any]
    identifier: str
    link: str | None


@dataclass
class Load:
    """Asks until it is told to stop; `faults`: answers that nobody may ever get."""

    port: int
    token: str
    bank_account: str
    contact: str = ""
    saved_account: str = ""
    acknowledged: dict[str, Acknowledged] = field(default_factory=dict)
    accepted: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    cut: int = 0
    days: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)

    def prepare(self) -> None:
        """Somebody to pay."""
        person = {"email": "robin@example.com", "name": "Robin Example"}
        self.contact = self.ask("PUT", "/contact", person).value["identifier"]
        account = {"contact_id": self.contact, **PAID_ACCOUNT}
        made = self.ask("PUT", "/contact/bank_account", account)
        self.saved_account = made.value["identifier"]

    def start(self, pool: ThreadPoolExecutor) -> None:
        lanes: list[Callable[[], None]] = [
            lambda: self.repeat(lambda n: self.make(f"link-a-{n}"), pause=0.02),
            lambda: self.repeat(lambda n: self.make(f"link-b-{n}"), pause=0.02),
            lambda: self.repeat(lambda n: self.make(f"saved-{n}", saved=True), pause=0.05),
            lambda: self.repeat(lambda _: self.accept_newest(), pause=0.1),
            lambda: self.repeat(lambda _: self.turn(), pause=0.1),
        ]
        self.running = [pool.submit(lane) for lane in lanes]

    def stop(self) -> None:
        """Every lane ends what it is at: what was begun is asked for until it is answered."""
        self.stopped.set()
        for lane in self.running:
            lane.result(PATIENCE_SECONDS)

    def repeat(self, act: Callable[[int], None], *, pause: float) -> None:
        number = 0
        while not self.stopped.is_set():
            number += 1
            act(number)
            time.sleep(pause)

    def ask(self, method: str, path: str, sent: Any = None, *, key: str | None = None) -> Answer:
        headers = {"Authorization": f"Bearer {self.token}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        return call_json(self.port, method, path, headers=headers, sent=sent)

    def try_to(self, act: Callable[[], Answer]) -> Answer | None:
        """None when nobody answered, or only that the database is away."""
        try:
            answer = act()
        except (OSError, HTTPException):
            answer = None
        if answer is None or answer.status == AWAY:
            self.cut += 1
            time.sleep(0.05)
            return None
        if answer.status >= REFUSED:
            self.faults.append(f"{answer.status} {answer.body[:500]}")
        return answer

    def get(self, method: str, path: str, sent: Any = None, *, key: str | None = None) -> Any:
        """The value of the answer, however often it takes to get one."""
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            answer = self.try_to(lambda: self.ask(method, path, sent, key=key))
            if answer is not None:
                return answer.value
        raise AssertionError(f"{method} {path} is not answered")

    def make(self, key: str, *, saved: bool = False) -> None:
        """A credit; now and then one that is there already."""
        sent = {
            "amount": len(self.acknowledged) % 1_000 + 1,
            "statement": key,
            "from_bank_account": self.bank_account,
            "contact_id": self.contact,
        }
        if saved:
            sent["to_bank_account"] = self.saved_account
        made = self.get("PUT", "/credit", sent, key=key)
        if "identifier" not in made:
            return  # a fault
        self.acknowledged[key] = Acknowledged(sent, made["identifier"], made["link"])
        self.check_again(key)

    def check_again(self, key: str) -> None:
        """The same call has the same answer."""
        known = self.acknowledged[key]
        again = self.get("PUT", "/credit", known.sent, key=key)
        if (again.get("identifier"), again.get("link")) != (known.identifier, known.link):
            self.faults.append(f"{key} is {known} and then {again}")

    def turn(self) -> None:
        """A day passes; when it takes too long the worker does the rest."""
        if self.try_to(lambda: self.ask("POST", "/sandbox/advance", {"days": 1})):
            self.days += 1

    def accept_newest(self) -> None:
        """The payee's whole way; one that was cut off begins again."""
        by_link = [each for each in list(self.acknowledged.values()) if each.link]
        waiting = [each for each in by_link if each.identifier not in self.accepted]
        if not waiting:
            return
        until = time.monotonic() + PATIENCE_SECONDS
        while self.visit(waiting[-1]) is None:
            assert time.monotonic() < until, "the payee gets no answer"

    def visit(self, credit: Acknowledged) -> bool | None:
        """Whether it is accepted now; None when the visit was cut off."""
        browser = Browser(self.port)
        forms = iter(FORMS)
        answer = self.try_to(partial(browser.get, str(credit.link)))
        while answer is not None:
            if answer.status == SEE_OTHER:
                answer = self.try_to(partial(browser.get, answer.headers["location"]))
            elif browser.page.state == "requested" and (form := next(forms, None)):
                answer = self.try_to(partial(browser.submit, form))
            else:
                break
        if answer is None:
            return None
        is_accepted = browser.page.state in {"initiated", "processing", "completed"}
        if is_accepted:
            self.accepted.add(credit.identifier)
        else:
            self.faults.append(f"the payee of {credit.identifier} sees {browser.page.state}")
        return is_accepted
