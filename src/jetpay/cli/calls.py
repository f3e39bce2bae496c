"""HTTP as a command speaks it: one call to the address it was given, no redirect, no proxy."""

from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

import typer

from jetpay.base.clock import SystemClock
from jetpay.settings import is_loopback_host
from jetpay.webhooks.schedule import seconds_of

ANSWER_BYTES: Final = 16 * 1024 * 1024
LONGEST_RETRY_AFTER_SECONDS: Final = 60


class NotNow(Exception):
    """It may succeed later; the text is half a sentence. `seconds`: when asked to wait so long."""

    def __init__(self, told: str, seconds: float | None = None) -> None:
        self.seconds = seconds
        super().__init__(told)


@dataclass(frozen=True, slots=True)
class Answer:
    """`place`: who answered; `headers` by their names in lower case."""

    place: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """Any 2xx; a redirect is none."""
        return 200 <= self.status < 300  # noqa: PLR2004 - 2xx

    def not_now(self) -> NotNow:
        """This answer as a reason to come again later."""
        asked = seconds_of(self.headers.get("retry-after"), SystemClock().now())
        seconds = None if asked is None else min(asked, LONGEST_RETRY_AFTER_SECONDS)
        return NotNow(f"{self.place} answers {self.status}", seconds)


def whole_address(text: str, option: str) -> SplitResult:
    """An address, wherever it is."""
    try:
        parts = urlsplit(text)
        is_plain = (
            text.isascii()
            and text.isprintable()
            and " " not in text
            and parts.port != 0
            and not ("@" in parts.netloc or parts.fragment)
        )
    except ValueError:
        is_plain = False
    if not is_plain or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise typer.BadParameter(f"{option} must be an address such as https://pay.example.com")
    return parts


def address(text: str, option: str) -> SplitResult:
    """An address that may be called: by https, or by http when it is on this machine."""
    parts = whole_address(text, option)
    if parts.scheme == "http" and not is_loopback_host(str(parts.hostname)):
        raise typer.BadParameter(f"{option} must be https, but for addresses of this machine")
    return parts


def call(
    method: str,
    to: SplitResult,
    path: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None = None,
    seconds: float,
) -> Answer:
    """`seconds`: how long it may be silent. Raises `NotNow` when there is no answer."""
    place = f"{to.scheme}://{to.netloc}"
    kind = HTTPSConnection if to.scheme == "https" else HTTPConnection
    connection = kind(str(to.hostname), to.port, timeout=seconds)
    try:
        connection.connect()
        if to.scheme == "http":
            _refuse_elsewhere(connection)
        connection.request(method, path, body=body, headers=dict(headers))
        answer = connection.getresponse()
        named = {name.lower(): value for name, value in answer.getheaders()}
        said = answer.read(ANSWER_BYTES)
        return Answer(place, answer.status, named, said)
    except (OSError, HTTPException) as error:
        raise NotNow(f"{place} does not answer ({_why(error)})") from None
    finally:
        connection.close()


def _refuse_elsewhere(connection: HTTPConnection) -> None:
    """What is in clear stays on this machine, whatever a name is resolved to."""
    if not ip_address(connection.sock.getpeername()[0]).is_loopback:
        raise ConnectionRefusedError("it is not on this machine")


def _why(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text if text and text.isprintable() else type(error).__name__
