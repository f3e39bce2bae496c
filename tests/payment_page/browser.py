"""A browser without JavaScript: cookies, one page at a time, forms filled in by their fields."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import count
from typing import Self

import httpx
from fastapi import FastAPI

NETWORKS = count(1)
"""Each browser is a network of its own, unless a test says otherwise."""
BASE_URL = "http://127.0.0.1:8080"
ACCOUNT = {
    "holder_name": "Robin Example",
    "institution_number": "003",
    "transit_number": "00002",
    "account_number": "1000001",
    "account_number_again": "1000001",
    "account_type": "chequing",
}


@dataclass
class Page:
    """What a test needs to know of a page."""

    status: int
    text: str
    headers: httpx.Headers
    language: str = ""
    state: str | None = None
    step: str | None = None
    headings: list[str] = field(default_factory=list)
    hidden: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, dict[str, str | None]] = field(default_factory=dict)
    identifiers: set[str] = field(default_factory=set)
    forms: int = 0
    action: str = ""
    words: str = ""

    @property
    def problems(self) -> dict[str, str]:
        """For each wrong field what it is described by."""
        return {
            name: str(each.get("aria-describedby", ""))
            for name, each in self.inputs.items()
            if each.get("aria-invalid") == "true"
        }


class _Reader(HTMLParser):
    def __init__(self, page: Page) -> None:
        super().__init__(convert_charrefs=True)
        self.page = page
        self.in_heading = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        got = dict(attrs)
        if identifier := got.get("id"):
            assert identifier not in self.page.identifiers, f"{identifier} is there twice"
            self.page.identifiers.add(identifier)
        match tag:
            case "html":
                self.page.language = got.get("lang") or ""
            case "main":
                self.page.state, self.page.step = got.get("data-state"), got.get("data-step")
            case "h1":
                self.in_heading = True
                self.page.headings.append("")
            case "form":
                self.page.forms += 1
                self.page.action = got.get("action") or ""
            case "input" | "textarea" if got.get("type") == "hidden":
                self.page.hidden[got["name"] or ""] = got.get("value") or ""
            case "input" | "textarea":
                self.page.inputs[got["name"] or ""] = got

    def handle_data(self, data: str) -> None:
        self.page.words += " " + data
        if self.in_heading:
            self.page.headings[-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "h1":
            self.in_heading = False


def read_page(response: httpx.Response) -> Page:
    page = Page(response.status_code, response.text, response.headers)
    _Reader(page).feed(response.text)
    page.words = " ".join(page.words.split())
    return page


class Browser:
    """Follows redirects; `page` is what it shows."""

    def __init__(
        self, app: FastAPI, headers: Mapping[str, str] | None = None, address: str | None = None
    ) -> None:
        address = address or f"2001:db8:{next(NETWORKS):x}::1"
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app, client=(address, 4711)),
            base_url=BASE_URL,
            headers={"Accept-Language": "en-CA,en;q=0.9", **(headers or {})},
        )
        self.page = Page(0, "", httpx.Headers())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()

    async def get(self, path: str) -> Page:
        response = await self.client.get(path, follow_redirects=True)
        self.page = read_page(response)
        return self.page

    async def open(self, link: str) -> Page:
        """By its token, as from a message."""
        return await self.get(f"/payment/pay/{link}")

    async def send(self, form: Mapping[str, str], **how: object) -> Page:
        """Post exactly this to the page's form."""
        response = await self.client.post(
            self.page.action,
            data=dict(form),
            follow_redirects=True,
            **how,  # type: ignore[arg-type]
        )
        self.page = read_page(response)
        return self.page

    async def submit(self, **fields: str) -> Page:
        """Fill in the form that is shown, and send it."""
        return await self.send({**self.page.hidden, **fields})

    async def to_details(self, link: str, answer: str) -> Page:
        await self.open(link)
        page = await self.submit(answer=answer)
        assert (page.status, page.step) == (200, "details"), page.words
        return page

    async def to_review(self, link: str, answer: str, **fields: str) -> Page:
        await self.to_details(link, answer)
        page = await self.submit(**{**ACCOUNT, **fields})
        assert (page.status, page.step) == (200, "review"), page.words
        return page
