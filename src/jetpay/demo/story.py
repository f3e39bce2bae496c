"""The story: a company pays a contact by link, and every step is a real request."""

import json
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from jetpay.demo.calls import Answer, Browser, call
from jetpay.demo.inbox import Inbox
from jetpay.demo.tell import Teller

COMPANY_NAME: Final = "Lighthouse Supplies"
WEBHOOK_SECONDS: Final = 60.0
DAYS_AT_MOST: Final = 15
"""Business days, weekends and holidays until no bank may return a payment any more."""
API_KEY: Final = "the-company-chose-this"
OK, CREATED, SEE_OTHER, REFUSED = 200, 201, 303, 422


class StoryFailed(Exception):
    """Something was not as told; the text says what."""


@dataclass(frozen=True, slots=True)
class Seeds:
    """What only payee and company know; a test gives its own and looks for them afterwards."""

    answer: str = field(default="Peggys Cove", repr=False)
    institution_number: str = "002"
    transit_number: str = "10009"
    account_number: str = field(default="730619804521", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Who plays: a sandbox company with a token and an account, and where the server is."""

    port: int
    company: str
    token: str = field(repr=False)
    bank_account: str
    seeds: Seeds


class Story:
    """Played once, from the first contact to the settled payment."""

    def __init__(self, cast: Cast, inbox: Inbox, tell: Teller) -> None:
        self._cast = cast
        self._inbox = inbox
        self._tell = tell

    def play(self) -> None:
        """Raises `StoryFailed` at the first thing that is not as it must be."""
        contact = self.add_contact()
        self.register_webhook()
        credit = self.create_credit(contact)
        self.visit(credit["link"])
        self.pay(credit["identifier"])
        self.check_webhooks()

    def add_contact(self) -> str:
        """The company's program says whom it will pay."""
        self._tell.step("Somebody to pay")
        named = {"email": "ana@example.com", "name": "Ana Tremblay"}
        return str(self._api("PUT", "/contact", named)["identifier"])

    def register_webhook(self) -> None:
        """Events will come to us, from the very first one."""
        self._tell.step("A webhook: tell us whatever happens, from the first event on")
        self._inbox.expect(
            lambda: call(self._cast.port, "GET", "/.well-known/jwks.json").value,
            company=self._cast.company,
            api_key=API_KEY,
        )
        wanted = {
            "callback_url": self._inbox.url,
            "callback_api_key": API_KEY,
            "max_batch_size": 10,
            "max_wait_seconds": 0,
            "replay_from_event_id": 1,
        }
        self._api("POST", "/webhooks/", wanted, status=CREATED)

    def create_credit(self, contact: str) -> dict[str, Any]:
        """The one call that matters, sent twice: a retry pays nobody twice."""
        self._tell.step("A credit of 100.00 CAD; the answer has the link for the payee")
        asked = {
            "amount": 10000,
            "statement": "Invoice 1042",
            "note": "lamps, October",
            "from_bank_account": self._cast.bank_account,
            "contact_id": contact,
        }
        key = str(uuid4())
        credit: dict[str, Any] = self._api("PUT", "/credit", asked, key=key)
        again = self._quietly("PUT", "/credit", asked, key=key)
        self._must(again.value == credit, "the same call again made another credit")
        self._tell.note("The same call again, with the same Idempotency-Key: the same answer.")
        return credit

    def visit(self, link: str) -> None:
        """The payee, in a browser."""
        seeds = self._cast.seeds
        browser = Browser(self._cast.port)
        self._tell.step("The payee opens the link; the address bar then holds no secret")
        opened = self._seen(browser, "GET", link, browser.get(link), SEE_OTHER)
        page = opened.headers["location"]
        self._seen(browser, "GET", page, browser.get(page), OK)
        self._tell.step("Answers the question: first wrong, then right")
        self._submit(browser, {"answer": "Halifax"}, then=REFUSED)
        self._submit(browser, {"answer": seeds.answer})
        self._tell.step("Types the bank details, which the company never sees")
        details = {
            "holder_name": "Ana Tremblay",
            "institution_number": seeds.institution_number,
            "transit_number": seeds.transit_number,
            "account_number": seeds.account_number,
            "account_number_again": seeds.account_number,
            "account_type": "chequing",
        }
        self._submit(browser, details)
        self._tell.step("Reviews, and accepts what was reviewed")
        self._submit(browser, {"decision": "accept"})
        self._must(browser.page.state == "initiated", "the credit was not accepted")

    def pay(self, identifier: str) -> None:
        """Cut-off, bank file and settlement; in a sandbox the clock can be turned."""
        self._tell.step("The next day: the credit is in a bank file")
        self._api("POST", "/sandbox/advance", {"days": 1})
        files = self._api("GET", "/bank_files")["data"]
        self._must(len(files) == 1, "there is not exactly one bank file")
        self._status(identifier)
        self._tell.step("The days pass in which a bank may return a payment: it is settled")
        for _ in range(DAYS_AT_MOST):
            self._api("POST", "/sandbox/advance", {"days": 1})
            if self._quietly("GET", f"/transaction/{identifier}/status").value["state"] == (
                "completed"
            ):
                break
        status = self._status(identifier)
        self._must(status["state"] == "completed", "the credit was not completed")

    def check_webhooks(self) -> None:
        """Each delivery was verified as it came; here all of them have come."""
        self._tell.step("What the webhook received, verified as docs/webhooks.md says")
        events = self._quietly("GET", "/events?limit=200").value["events"]
        last = events[-1]["id"]
        arrived = self._inbox.wait_for(last, WEBHOOK_SECONDS)
        for event in self._inbox.events:
            data = event["data"]
            moved = " → ".join(data[k] for k in ("previousState", "state") if data.get(k))
            self._tell.note(f"{event['id']:3}  {event['type']:38} {moved}".rstrip())
        self._must(not self._inbox.problems, "; ".join(self._inbox.problems))
        self._must(arrived, f"event {last} did not arrive")
        ids = [event["id"] for event in self._inbox.events]
        self._must(ids == list(range(1, last + 1)), "the events have a gap")
        self._must(self._inbox.events == events, "webhook and GET /events differ")
        self._tell.note(
            f"{last} events in {self._inbox.batches} deliveries: every signature and"
            " payload_hash is right, ids 1, 2, 3 … without a gap, GET /events says the same."
        )

    def fresh_link(self) -> str:
        """Another credit, to be clicked by whoever watches."""
        person = {"email": "you@example.com", "name": "You"}
        contact = self._quietly("PUT", "/contact", person).value["identifier"]
        asked = {
            "amount": 2500,
            "statement": "Demo",
            "from_bank_account": self._cast.bank_account,
            "contact_id": contact,
        }
        return str(self._quietly("PUT", "/credit", asked, key=str(uuid4())).value["link"])

    def _status(self, identifier: str) -> dict[str, Any]:
        status: dict[str, Any] = self._api("GET", f"/transaction/{identifier}/status")
        return status

    def _api(
        self, method: str, path: str, sent: Any = None, *, key: str | None = None, status: int = OK
    ) -> Any:
        self._tell.asked(method, path, sent)
        answer = self._quietly(method, path, sent, key=key, status=status)
        self._tell.answered(answer.status, answer.value)
        return answer.value

    def _quietly(
        self, method: str, path: str, sent: Any = None, *, key: str | None = None, status: int = 0
    ) -> Answer:
        headers = {"Authorization": f"Bearer {self._cast.token}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        answer = call_json(self._cast.port, method, path, headers=headers, sent=sent)
        allowed = {status} if status else {OK, CREATED}
        self._must(answer.status in allowed, f"{method} {path} answered {answer.status}")
        return answer

    def _submit(self, browser: Browser, typed: dict[str, str], *, then: int = OK) -> None:
        """A form; after a step forward the browser follows to the next page."""
        path = browser.page.action
        self._tell.asked("POST", path, typed)
        answer = browser.submit(typed)
        if answer.status == SEE_OTHER:
            self._tell.answered(answer.status)
            path = answer.headers["location"]
            self._tell.asked("GET", path)
            answer = browser.get(path)
        self._told(browser, answer)
        self._must(answer.status == then, f"the page answered {answer.status}")

    def _seen(
        self, browser: Browser, method: str, path: str, answer: Answer, status: int
    ) -> Answer:
        self._tell.asked(method, path)
        self._told(browser, answer)
        self._must(answer.status == status, f"{method} answered {answer.status}")
        return answer

    def _told(self, browser: Browser, answer: Answer) -> None:
        location = answer.headers.get("location")
        heading = " ".join(browser.page.heading.split())
        said = f"Location: {location}" if location else f"“{heading}” ({browser.page.state})"
        self._tell.answered(answer.status, said)

    def _must(self, is_so: bool, otherwise: str) -> None:  # noqa: FBT001 - an assertion
        if not is_so:
            raise StoryFailed(f"The story does not go on: {otherwise}.")


def call_json(port: int, method: str, path: str, *, headers: dict[str, str], sent: Any) -> Answer:
    """A call of the API."""
    if sent is None:
        return call(port, method, path, headers=headers)
    typed = {**headers, "Content-Type": "application/json"}
    return call(port, method, path, headers=typed, body=json.dumps(sent))
