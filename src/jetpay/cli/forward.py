"""Posting events to a receiver on this machine as a webhook does, signed by a key made here."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final
from urllib.parse import SplitResult
from uuid import UUID, uuid5

import orjson
import typer
from joserfc.jwk import RSAKey

from jetpay.base.clock import SystemClock
from jetpay.base.ids import uuid7
from jetpay.cli.calls import Answer, call, whole_address
from jetpay.cli.frame import Failure
from jetpay.security.secrets import Secret
from jetpay.security.signing import (
    SigningKey,
    key_set,
    make_signing_secret,
    standard_headers,
    webhook_token,
)
from jetpay.settings import is_loopback_host
from jetpay.webhooks.model import DEFAULT_BATCH_SIZE
from jetpay.webhooks.prepare import CONTENT_TYPE
from jetpay.webhooks.schedule import GONE, TOO_LARGE

ANSWER_SECONDS: Final = 15
RSA_BITS: Final = 2048
WEBHOOK_NUMBER: Final = 0
"""The `webhookId` of what is forwarded; no webhook has it."""
HOST: Final = "127.0.0.1"
KEYS_PATH: Final = "/.well-known/jwks.json"


def receiver_address(text: str) -> SplitResult:
    """Refuses what is not on this machine.

    Who forwards signs in the server's stead: a receiver elsewhere that trusted such a key would
    take events from whoever may read them.
    """
    parts = whole_address(text, "--forward")
    if parts.scheme != "http" or not is_loopback_host(str(parts.hostname)):
        raise typer.BadParameter("--forward must be http:// and an address of this machine")
    return parts


def make_key() -> SigningKey:
    """For one run of the command; no server has it, and it is not kept."""
    private = RSAKey.generate_key(RSA_BITS, private=True)
    return SigningKey(private.thumbprint(), private)


@contextmanager
def serving_keys(key: SigningKey, port: int) -> Iterator[str]:
    """The URL at which receivers on this machine find the public half."""
    public = key.private.as_dict(private=False, alg="RS256", use="sig", kid=key.kid)
    said = json.dumps(key_set([public])).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == KEYS_PATH else 404)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    try:
        server = ThreadingHTTPServer((HOST, port), Handler)
    except OSError:
        raise Failure(f"The port {port} is not free: choose another --keys-port.") from None
    Thread(target=server.serve_forever, name="keys", daemon=True).start()
    try:
        yield f"http://{HOST}:{server.server_address[1]}{KEYS_PATH}"
    finally:
        server.shutdown()
        server.server_close()


@dataclass(frozen=True, slots=True)
class Forwarder:
    """A webhook of this machine."""

    to: SplitResult
    key: SigningKey
    audience: str | None
    secret: Secret[str] = field(default_factory=make_signing_secret)

    def take(self, company: UUID, events: Sequence[dict[str, Any]]) -> int:
        """How many of the events the receiver took now. Raises `NotNow`."""
        count = min(len(events), DEFAULT_BATCH_SIZE)
        while not (answer := self._post(company, events[:count])).is_success:
            if answer.status == GONE:
                raise Failure(f"{self.to.geturl()} answers {GONE}: it wants no more.")
            if answer.status != TOO_LARGE or count == 1:
                raise answer.not_now()
            count = (count + 1) // 2
        return count

    def _post(self, company: UUID, events: Sequence[dict[str, Any]]) -> Answer:
        at = SystemClock().now()
        webhook = uuid5(company, self.to.geturl())
        batch = uuid5(webhook, f"{events[0]['id']}-{events[-1]['id']}")
        body = orjson.dumps({"webhookId": WEBHOOK_NUMBER, "events": events})
        token = webhook_token(
            self.key,
            body=body,
            company_id=company,
            webhook_id=webhook,
            audience=self.audience,
            token_id=uuid7(at),
            at=at,
        )
        headers = {
            "Content-Type": CONTENT_TYPE,
            "Authorization": f"Bearer {token}",
            **standard_headers(self.secret, message_id=str(batch), at=at, body=body),
        }
        path = (self.to.path or "/") + (f"?{self.to.query}" if self.to.query else "")
        return call("POST", self.to, path, headers=headers, body=body, seconds=ANSWER_SECONDS)
