"""Rendering: templates, the language of a visit, and the headers of every page."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from jetpay.payment_page.sentences import Message
from jetpay.static import StaticFiles
from jetpay.translations import LANGUAGES, Language, language, preferred

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
VIEWS: Final = ("details", "decline", "leave")


@dataclass(frozen=True, slots=True)
class Other:
    """The language that the page can be switched to."""

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

    def __init__(self, static: StaticFiles, *, public_url: str, is_https: bool) -> None:
        self._environment = Environment(
            loader=PackageLoader("jetpay", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals["static"] = static.path
        self._public_url = public_url
        self._headers = dict(HEADERS)
        if is_https:
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

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
            "other": None,
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
            headers={**self._headers, "Content-Language": spoken.tag, **(headers or {})},
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

    def redirect(self, path: str, *, referrer_policy: str = "same-origin") -> Response:
        """303 to a path of the public URL, which alone says scheme and host."""
        headers = {
            **self._headers,
            "Location": self._public_url + path,
            "Referrer-Policy": referrer_policy,
        }
        return Response(status_code=303, headers=headers)


def switch(asked: Asked, path: str) -> Other:
    """The way to the same page in the other language."""
    [code] = [each for each in LANGUAGES if each != asked.language.code]
    return Other(language(code), path + asked.query(asked.view, code))
