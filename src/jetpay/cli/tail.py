"""Following a company's events from where one stopped, whatever goes wrong meanwhile."""

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, ParamSpec, TypeVar
from urllib.parse import SplitResult
from uuid import UUID

import typer

from jetpay.api.events import COMPANY_HEADER, WAIT_MAXIMUM
from jetpay.api.fields import LIST_MAXIMUM
from jetpay.cli.calls import Answer, NotNow, call
from jetpay.cli.forward import ANSWER_SECONDS, Forwarder
from jetpay.cli.frame import Failure, warn
from jetpay.receiver import EventsMissing, new_events
from jetpay.security.secrets import Secret
from jetpay.security.tokens import parse_api_token

P = ParamSpec("P")
T = TypeVar("T")
Event = dict[str, Any]

PAUSE_SECONDS: Final = (1, 2, 4, 8, 15, 30)
"""After the first, second … failure in a row; the last one for all that follow."""
LEAST_WAIT_SECONDS: Final = 1.0
OK: Final = 200
TOO_MANY: Final = 429
SERVER_FAILS: Final = 500


def follow(
    source: "Source", last: int, forwarder: Forwarder | None, cursor: "Cursor", *, as_json: bool
) -> NoReturn:
    """Print what is new, after a `forwarder`'s receiver took it; what is taken is not lost."""
    while True:
        events = _insist(source.after, last)
        while events:
            count = len(events)
            if forwarder is not None:
                count = _insist(forwarder.take, source.company, events)
            for event in events[:count]:
                typer.echo(json.dumps(event) if as_json else _line(event))
            last = events[count - 1]["id"]
            cursor.move(last)
            del events[:count]


def _insist(attempt: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """Until it succeeds."""
    failures = 0
    while True:
        try:
            return attempt(*given, **named)
        except NotNow as refused:
            pause: float = PAUSE_SECONDS[min(failures, len(PAUSE_SECONDS) - 1)]
            if refused.seconds is not None:
                pause = max(refused.seconds, PAUSE_SECONDS[0])
            warn(f"{refused}; again in {pause:g} s")
            failures += 1
            time.sleep(pause)


def _line(event: Event) -> str:
    line = f"{event['id']}  {event['createdAt']}  {event['type']}  {json.dumps(event['data'])}"
    return line if line.isprintable() else repr(line)


class Source:
    """`GET /events` of one company. `company`: known from the first answer on."""

    company: UUID

    def __init__(self, server: SplitResult, token: Secret[str]) -> None:
        digest = parse_api_token(token.reveal())
        if digest is None:
            raise typer.BadParameter("the token is not one of Jetpay's")
        self.server = server
        self.place = f"{server.scheme}://{server.netloc}{server.path.rstrip('/')}"
        self.digest = digest
        self._token = token

    def after(self, last: int) -> list[Event]:
        """Waits a while for the next one; may be empty. Raises `NotNow`."""
        asked_at = time.monotonic()
        path = f"{self.server.path.rstrip('/')}/events?after={last}&limit={LIST_MAXIMUM}"
        answer = call(
            "GET",
            self.server,
            f"{path}&wait_seconds={WAIT_MAXIMUM}",
            headers={"Authorization": f"Bearer {self._token.reveal()}"},
            seconds=WAIT_MAXIMUM + ANSWER_SECONDS,
        )
        if answer.status == TOO_MANY or answer.status >= SERVER_FAILS:
            raise answer.not_now()
        if answer.status != OK:
            raise Failure(f"{answer.place} answers {answer.status}{_detail(answer)}")
        try:
            events = new_events(last, json.loads(answer.body)["events"])
            self.company = UUID(answer.headers[COMPANY_HEADER.lower()])
        except (ValueError, KeyError, TypeError, EventsMissing):
            raise Failure(f"{answer.place} answers, but not as Jetpay does.") from None
        if not events and time.monotonic() - asked_at < LEAST_WAIT_SECONDS:
            time.sleep(LEAST_WAIT_SECONDS)  # a server that is about to stop does not wait
        return events


def _detail(answer: Answer) -> str:
    with suppress(ValueError, KeyError, TypeError):
        detail = str(json.loads(answer.body)["detail"])
        return f": {detail}" if detail.isprintable() else ""
    return ""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last event that was printed, or taken by the receiver, in a small file."""

    file: Path

    @classmethod
    def of(cls, state_home: Path, source: Source, to: SplitResult | None) -> "Cursor":
        """One for each server, token and receiver; its name tells none of them."""
        of = [source.place, source.digest.hex(), to and to.geturl()]
        name = hashlib.sha256(json.dumps(of).encode()).hexdigest()[:32]
        return cls(state_home / "jetpay" / "tail" / f"{name}.json")

    def read(self) -> int:
        """0 when there is none yet."""
        try:
            return int(json.loads(self.file.read_bytes())["after"])
        except FileNotFoundError:
            return 0
        except (OSError, ValueError, KeyError, TypeError):
            raise Failure(f"{self.file} cannot be read: begin anew with --after.") from None

    def move(self, last: int) -> None:
        """All or nothing, whatever happens meanwhile."""
        try:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            number, name = tempfile.mkstemp(dir=self.file.parent)
            try:
                with os.fdopen(number, "w") as file:
                    json.dump({"after": last}, file)
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).replace(self.file)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise Failure(f"{self.file} cannot be written ({error.strerror}).") from None
