"""The public keys that verify webhooks, and those that verify receipts; anybody may read them."""

from typing import Any, Final

from fastapi import Response
from starlette.requests import Request

from jetpay.api.auth import services_of
from jetpay.api.frame import router
from jetpay.security.keys import Purpose
from jetpay.security.signing import key_set

CACHED: Final = "public, max-age=300"

calls = router("Webhooks")
receipt_calls = router("Transactions")


@calls.get("/.well-known/jwks.json")
async def webhook_keys(request: Request, response: Response) -> dict[str, Any]:
    """The keys that sign webhooks now, signed until lately, or will sign soon (RFC 7517)."""
    services = services_of(request)
    response.headers["Cache-Control"] = CACHED
    return key_set(services.keyring.published(Purpose.WEBHOOK_RS256, at=services.clock.now()))


@receipt_calls.get("/.well-known/receipts.jwks.json")
async def receipt_keys(request: Request, response: Response) -> dict[str, Any]:
    """The keys that sign receipts, or ever have: a receipt has no end (RFC 7517)."""
    services = services_of(request)
    response.headers["Cache-Control"] = CACHED
    return key_set(services.keyring.published(Purpose.RECEIPT_RS256, at=services.clock.now()))
