"""Files that never change: named by their content, compressed in memory when a process starts."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from jetpay.base.refusals import NotFound

DIGEST_CHARACTERS: Final = 16
IMMUTABLE: Final = "public, max-age=31536000, immutable"
CONTENT_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
     ".svg": "image/svg+xml"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file in both its forms."""

    path: str
    content_type: str
    plain: bytes
    compressed: bytes


class StaticFiles:
    """Every static file of the package, at `/static/<hash>/<name>`."""

    def __init__(self) -> None:
        self._by_name = {each.name: _load(each.name, each.read_bytes()) for each in _sources()}
        self._by_path = {each.path: each for each in self._by_name.values()}

    def path(self, name: str) -> str:
        """Where the browser finds it. Raises `KeyError` for a name that is not there."""
        return self._by_name[name].path

    def route(self) -> Route:
        """To be mounted once per application."""
        return Route("/static/{digest}/{name}", self._serve, methods=["GET"])

    async def _serve(self, request: Request) -> Response:
        found = self._by_path.get(request.url.path)
        if found is None:
            raise NotFound
        takes_gzip = "gzip" in request.headers.get("accept-encoding", "")
        headers = {
            "Cache-Control": IMMUTABLE,
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        if takes_gzip:
            headers["Content-Encoding"] = "gzip"
        body = found.compressed if takes_gzip else found.plain
        return Response(body, media_type=found.content_type, headers=headers)


def _sources() -> list[Traversable]:
    folder = files(__name__)
    return sorted(
        (each for each in folder.iterdir() if _suffix(each.name) in CONTENT_TYPES),
        key=lambda each: each.name,
    )


def _load(name: str, content: bytes) -> StaticFile:
    digest = hashlib.sha256(content).hexdigest()[:DIGEST_CHARACTERS]
    return StaticFile(
        path=f"/static/{digest}/{name}",
        content_type=CONTENT_TYPES[_suffix(name)],
        plain=content,
        compressed=gzip.compress(content, 9, mtime=0),
    )


def _suffix(name: str) -> str:
    return name[name.rfind(".") :] if "." in name else ""
