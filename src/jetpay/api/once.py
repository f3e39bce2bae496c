"""The Idempotency-Key of a creating call, with what it was sent with."""

from jetpay.api.fields import Taken
from jetpay.idempotency import Once
from jetpay.security.fingerprints import RequestFingerprint
from jetpay.services import Services


def once_of(
    services: Services,
    operation: str,
    key: str | None,
    layout: RequestFingerprint,
    taken: Taken,
) -> Once | None:
    """None for a call without a key."""
    if key is None:
        return None
    return Once(
        operation=operation,
        key=key,
        layout=layout,
        fields=taken.given(),
        keyring=services.keyring,
        now=services.clock.now(),
    )
