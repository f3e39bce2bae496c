"""The operator's proxy, through which all calls leave where one is set."""

import base64
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote, urlsplit

from jetpay.security.exchange import SUCCESSES, Exchange, Unreachable, request
from jetpay.security.secrets import Secret

USUAL_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class EgressProxy:
    """`vets`: it looks names up and refuses private addresses itself."""

    host: str
    port: int
    is_tls: bool
    vets: bool
    authorization: Secret[str] | None

    @classmethod
    def of(cls, url: Secret[str], *, vets: bool) -> Self:
        """`http://` or `https://`, perhaps with user and password."""
        parts = urlsplit(url.reveal())
        user = None
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            user = Secret(f"Basic {base64.b64encode(pair.encode()).decode()}")
        host, port = parts.hostname or "", parts.port or USUAL_PORTS[parts.scheme]
        return cls(host, port, parts.scheme == "https", vets, user)

    @property
    def place(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, self.port

    async def tunnel(self, exchange: Exchange, place: str, *, until: float) -> None:
        """From here on `exchange` talks to `place`, an address or name with its port."""
        headers = {"Host": place}
        if self.authorization is not None:
            headers["Proxy-Authorization"] = self.authorization.reveal()
        reply = await exchange.ask(request("CONNECT", place, headers), until=until, has_body=False)
        if reply.status not in SUCCESSES or reply.is_last:
            raise Unreachable("The egress proxy did not let the call through.")
