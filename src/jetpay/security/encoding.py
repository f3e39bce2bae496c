"""Byte-level spelling shared by every format of the security design (section 31)."""

import base64
import binascii
from typing import Final
from uuid import UUID

INSTALLATION: Final = UUID(int=0)
"""Stands where a company's id would stand, for keys that belong to the installation."""


def b64url(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def unb64url(text: str, *, size: int) -> bytes | None:
    """The `size` bytes that `text` is the one canonical spelling of, else None."""
    try:
        data = base64.b64decode(
            text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True
        )
    except (UnicodeEncodeError, binascii.Error):
        return None
    # Slack bits and the standard alphabet's + and / would be second spellings.
    if len(data) != size or b64url(data) != text:
        return None
    return data


def lp(part: bytes | str) -> bytes:
    """The part with its length in two bytes before it: no two lists of parts run together."""
    data = part.encode() if isinstance(part, str) else part
    return len(data).to_bytes(2, "big") + data
