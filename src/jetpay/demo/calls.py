"""HTTP as a company's program and a payee's browser speak it, to the demo's own server alone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from http.client import HTTPConnection, HTTPException
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

HOST: Final = "127.0.0.1"
ANSWER_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def value(self) -> Any:
        """The JSON of an API's answer."""
        return json.loads(self.body)


def call(
    port: int,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: str | None = None,
) -> Answer:
    """Raises `OSError` and `HTTPException` when nobody answers."""
    connection = HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)
    try:
        connection.request(method, path, body=body and body.encode(), headers=dict(headers or {}))
        response = connection.getresponse()
        text = response.read().decode()
        named = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, named, text)
    finally:
        connection.close()


def is_ready(port: int) -> bool:
    """Whether the server answers and has its database."""
    try:
        return call(port, "GET", "/readyz").status == 200  # noqa: PLR2004
    except (OSError, HTTPException):
        return False


class Browser:
    """A payee's: keeps cookies, reads forms, follows nothing by itself."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._cookies: dict[str, str] = {}
        self.page = _Page()

    def get(self, url: str) -> Answer:
        parts = urlsplit(url)
        return self._ask("GET", parts.path + (f"?{parts.query}" if parts.query else ""))

    def submit(self, typed: Mapping[str, str]) -> Answer:
        """Post the form of the page we are on, with what its hidden fields hold."""
        fields = {**self.page.hidden, **typed}
        return self._ask("POST", self.page.action, urlencode(fields))

    def _ask(self, method: str, path: str, body: str | None = None) -> Answer:
        headers = {"Cookie": "; ".join(f"{name}={v}" for name, v in self._cookies.items())}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            headers["Origin"] = f"http://{HOST}:{self._port}"
        answer = call(self._port, method, path, headers=headers, body=body)
        cookie, _, _ = answer.headers.get("set-cookie", "").partition(";")
        if cookie:
            name, _, value = cookie.partition("=")
            self._cookies[name] = value
        if answer.body:
            self.page = _Page()
            self.page.feed(answer.body)
        return answer


class _Page(HTMLParser):
    """Of a payment page: its state, its heading, and its first form's hidden fields."""

    def __init__(self) -> None:
        super().__init__()
        self.state: str | None = None
        self.action = ""
        self.hidden: dict[str, str] = {}
        self.heading = ""
        self._forms = 0
        self._in_heading = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        if tag == "main":
            self.state = has.get("data-state")
        elif tag == "form":
            self._forms += 1
            if self._forms == 1:
                self.action = has.get("action", "")
        elif tag == "input" and self._forms == 1 and has.get("type") == "hidden":
            self.hidden[has["name"]] = has.get("value", "")
        self._in_heading = tag == "h1"

    def handle_endtag(self, tag: str) -> None:
        self._in_heading = self._in_heading and tag != "h1"

    def handle_data(self, data: str) -> None:
        if self._in_heading:
            self.heading += data
