"""Reading a posted form, and whether it is one of ours."""

import asyncio
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from jetpay.base.refusals import Malformed, TooLarge, UnsupportedMediaType
from jetpay.payment_page.visits import Visit
from jetpay.security.forms import (
    content_type_allowed,
    form_allowed,
    form_token,
    is_form_token,
    origin_of,
)
from jetpay.security.keys import Keyring

BODY_BYTES: Final = 32 * 1024
"""A reason of 500 characters, nine bytes each when encoded, and everything else."""
BODY_SECONDS: Final = 30
FIELDS_AT_MOST: Final = 32
FORMS: Final = ("question", "details", "change", "review", "decline", "leave", "code")


async def read_form(request: Request) -> dict[str, str]:
    """The fields. Refuses `UnsupportedMediaType`, `TooLarge` and `Malformed`."""
    if not content_type_allowed(request.headers.get("content-type")):
        raise UnsupportedMediaType
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > BODY_BYTES:
                    raise TooLarge
    except (TimeoutError, ClientDisconnect):
        raise Malformed from None
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=FIELDS_AT_MOST,
        )
    except ValueError:
        raise Malformed from None
    return dict(pairs)


def came_from_here(request: Request, public_url: str) -> bool:
    """What the browser's headers say about where the form was."""
    return form_allowed(
        sec_fetch_site=request.headers.get("sec-fetch-site"),
        origin=request.headers.get("origin"),
        public_origin=origin_of(public_url),
    )


def make_token(keyring: Keyring, visit: Visit, form: str) -> str:
    """The token of one form for one browser."""
    key = keyring.active("csrf")
    return form_token(key, visit.credit.company_id, visit.cookie, form)


def is_ours(keyring: Keyring, visit: Visit, sent_cookie: str, form: dict[str, str]) -> bool:
    """Whether the token belongs to this form and to the cookie that was sent with it."""
    name = form.get("step", "")
    if name not in FORMS:
        return False
    return is_form_token(
        form.get("form_token", ""),
        keyring.accepted("csrf"),
        visit.credit.company_id,
        sent_cookie,
        name,
    )
