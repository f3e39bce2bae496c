"""The mail server that the operator named: encrypted and certified, or on this very machine."""

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Final, Self
from urllib.parse import unquote, urlsplit

import aiosmtplib
from aiosmtplib import (
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientRefused,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)

from jetpay.security.secrets import Secret
from jetpay.settings import is_loopback_host

ANSWER_SECONDS: Final = 20.0
TOTAL_SECONDS: Final = 60.0
"""All of a try, so that it ends within the lease of the mail."""
USUAL_PORTS: Final = {"smtp": 587, "smtps": 465}
PERMANENT: Final = 500
FAREWELL_SECONDS: Final = 5.0


class NotSent(Exception):
    """In words, without what the server said; `for_good`: it would not take it later either."""

    def __init__(self, why: str, *, for_good: bool = False) -> None:
        super().__init__(why)
        self.for_good = for_good


@dataclass(frozen=True, slots=True, repr=False)
class MailServer:
    """`tls` from the first byte, or by STARTTLS, which only our own machine may lack."""

    host: str
    port: int
    tls: bool
    starttls: bool
    user: str | None
    password: Secret[str] | None

    @classmethod
    def of(cls, url: Secret[str]) -> Self:
        """From `smtp://` or `smtps://`, which `settings` has judged."""
        parts = urlsplit(url.reveal())
        host, tls = parts.hostname or "", parts.scheme == "smtps"
        return cls(
            host=host,
            port=parts.port or USUAL_PORTS[parts.scheme],
            tls=tls,
            starttls=not tls and not is_loopback_host(host),
            user=unquote(parts.username) if parts.username else None,
            password=Secret(unquote(parts.password)) if parts.password else None,
        )

    async def send(self, message: EmailMessage, *, trusted: ssl.SSLContext | None = None) -> None:
        """Raises `NotSent`. `trusted`: whose certificates, the system's where none is given."""
        client = aiosmtplib.SMTP(
            hostname=self.host,
            port=self.port,
            username=self.user,
            password=self.password.reveal() if self.password else None,
            use_tls=self.tls,
            start_tls=self.starttls,
            tls_context=trusted or ssl.create_default_context(),
            timeout=ANSWER_SECONDS,
        )
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                await client.connect()
                await client.send_message(message)
            # The server has it; whatever becomes of the farewell, it is not sent again.
            with suppress(SMTPException, OSError):
                await client.quit(timeout=FAREWELL_SECONDS)
        except (SMTPException, OSError, ssl.SSLError, TimeoutError) as error:
            raise _not_sent(error) from None
        finally:
            client.close()


def _not_sent(error: Exception) -> NotSent:
    if isinstance(error, SMTPAuthenticationError):
        return NotSent("The mail server did not take our user and password.")
    if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
        return NotSent("The mail server's certificate or encryption cannot be trusted.")
    if type(error) is SMTPException or isinstance(error, SMTPNotSupported):
        return NotSent("The mail server lacks what we need, such as STARTTLS.")
    if isinstance(error, SMTPRecipientsRefused):
        error = error.recipients[0]  # we name one
    if not isinstance(error, SMTPResponseException):
        return NotSent("The mail server could not be reached, or broke off.")
    # Before a mail is named, a refusal is about us or about the server.
    about_mail = isinstance(error, SMTPSenderRefused | SMTPRecipientRefused | SMTPDataError)
    for_good = about_mail and error.code >= PERMANENT
    return NotSent(f"The mail server refused it with {error.code}.", for_good=for_good)
