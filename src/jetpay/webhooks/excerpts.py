"""The beginning of an endpoint's answer, as it may be kept: without the secrets we sent; pure."""

import html
import json
import re
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import quote

from jetpay.security.secrets import MASK, Secret
from jetpay.security.signing import SECRET_PREFIX

EXCERPT_BYTES: Final = 2_048
TELLING: Final = 8
"""Fewer characters of a secret tell nothing of it."""
# Whoever's it is: our token comes back in pieces or changed, too.
TOKEN: Final = re.compile(r"eyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?")


def excerpt(body: bytes, secrets: Sequence[Secret[str] | None]) -> str:
    """At most 2 kB of the body as text; `secrets` are replaced however they are usually spelled."""
    if not body:
        return ""
    text = body.decode("utf-8", "replace")
    spelled = {each for secret in secrets if secret is not None for each in _spellings(secret)}
    for each in sorted(spelled, key=len, reverse=True):
        text = _without(text, each)
    return TOKEN.sub(MASK, text).encode()[:EXCERPT_BYTES].decode(errors="ignore")


def _spellings(secret: Secret[str]) -> Iterator[str]:
    value = secret.reveal().removeprefix(SECRET_PREFIX)
    yield value
    yield quote(value, safe="")
    yield html.escape(value)
    yield json.dumps(value)[1:-1]
    yield value.replace("/", "\\/")


def _without(text: str, spelled: str) -> str:
    text = text.replace(spelled, MASK)
    # The answer may have been cut off within it.
    begins = text.find(spelled[:TELLING], max(0, len(text) - len(spelled)))
    while begins >= 0 and not spelled.startswith(text[begins:]):
        begins = text.find(spelled[:TELLING], begins + 1)
    return text if begins < 0 else text[:begins] + MASK
