"""Rendering: templates, the language of a visit, and the headers of every page."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from jetpay.companies.brands import Brand
from jetpay.payment_page.sentences import Message
from jetpay.static import StaticFiles
from jetpay.translations import LANGUAGES, Language, language, preferred

# What every answer has comes from api/frame.py.
HEADERS: Final[Mapping[str, str]] = {"Referrer-Policy": "same-origin"}
_MAIL: Final = re.compile(r"[^@\s:/?#]+@[^@\s:/?#]+\.[^@\s:/?#]+")
_TELEPHONE: Final = re.compile(r"\+?[0-9][0-9 ().\u2011-]{5,20}[0-9]")
_BETWEEN: Final = re.compile(r"[^0-9+]")
VIEWS: Final = ("details", "decline", "leave", "receipt")


@dataclass(frozen=True, slots=True)
class Spoken:
    """A language that the page can be read in."""

    language: Language
    href: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks of the page besides its path."""

    language: Language
    chosen: str | None
    view: str | None

    def at_view(self, view: str | None) -> Self:
        """The same, at another view of the step."""
        return replace(self, view=view)

    def query(self, view: str | None = None, chosen: str | None = None) -> str:
        """`?view=decline&lang=fr`, as far as there is something to say."""
        pairs = [("view", view), ("lang", chosen or self.chosen)]
        said = "&".join(f"{name}={value}" for name, value in pairs if value)
        return f"?{said}" if said else ""


def asked_of(request: Request, of_credit: str | None) -> Asked:
    """The language chosen on the page, else the credit's, else the browser's."""
    chosen = request.query_params.get("lang")
    chosen = chosen if chosen in LANGUAGES else None
    view = request.query_params.get("view")
    spoken = chosen or of_credit or preferred(request.headers.get("accept-language", ""))
    return Asked(language(spoken), chosen, view if view in VIEWS else None)


class Pages:
    """Turns a template and what it shows into an answer."""

    def __init__(self, static: StaticFiles, *, public_url: str) -> None:
        self._environment = Environment(
            loader=PackageLoader("jetpay", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals["static"] = static.path
        self._environment.globals["reach"] = reach
        self._public_url = public_url

    def render(
        self,
        template: str,
        asked: Asked,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **shown: object,
    ) -> Response:
        """A page; what the layout needs and is not given is empty."""
        empty: dict[str, object] = {
            "company": None,
            "state": None,
            "sandbox": False,
            "notice": None,
            "problems": {},
            "faults": {},
            "languages": [],
            "brand": Brand(),
            "support_contact": None,
            "step": template,
        }
        spoken = asked.language
        body = self._environment.get_template(f"payment/{template}.html").render(
            **(empty | shown),
            language=spoken,
            public_url=self._public_url,
            _=spoken.say,
            ngettext=spoken.say_many,
        )
        return Response(
            body,
            status_code=status,
            media_type="text/html",
            headers={**HEADERS, "Content-Language": spoken.tag, **(headers or {})},
        )

    def message(
        self,
        message: Message,
        asked: Asked,
        *,
        status: int,
        company: str | None = None,
        headers: Mapping[str, str] | None = None,
        **shown: object,
    ) -> Response:
        """A page that is only read."""
        say = asked.language.say
        return self.render(
            "message",
            asked,
            status=status,
            headers=headers,
            company=company,
            headline=say(message.headline),
            sentences=[say(each, company=company) for each in message.sentences],
            **({"back": None} | shown),
        )

    def download(self, body: bytes, media_type: str, name: str) -> Response:
        """A file to be kept; `name`: our own, in ASCII."""
        headers = {
            **HEADERS,
            "Content-Disposition": f'attachment; filename="{name}"',
            "Content-Security-Policy": "default-src 'none'; sandbox",
        }
        return Response(body, media_type=media_type, headers=headers)

    def redirect(self, path: str, *, referrer_policy: str = "same-origin") -> Response:
        """303 to a path of the public URL, which alone says scheme and host."""
        headers = {
            **HEADERS,
            "Location": self._public_url + path,
            "Referrer-Policy": referrer_policy,
        }
        return Response(status_code=303, headers=headers)


def reach(contact: str) -> str | None:
    """Where a support contact leads: a mail, a telephone or a site; None for a mere sentence."""
    if contact.startswith(("https://", "mailto:", "tel:")):
        return contact
    if _MAIL.fullmatch(contact):
        return f"mailto:{contact}"
    return f"tel:{_BETWEEN.sub('', contact)}" if _TELEPHONE.fullmatch(contact) else None


def languages_of(asked: Asked, path: str) -> list[Spoken]:
    """The same page in every language, its own one among them."""
    return [Spoken(language(code), path + asked.query(asked.view, code)) for code in LANGUAGES]
