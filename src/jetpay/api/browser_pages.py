"""What a browser gets where no call and no payment is: the start page, and refusals to read."""

from html import escape
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import Scope

from jetpay.api.problems import WrongHost
from jetpay.base.refusals import Refusal

PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex, nofollow">
<title>{title}</title>
<link rel="icon" href="data:,">
</head>
<body>
<h1>{title}</h1>
<p>{english}</p>
<p lang="fr-CA">{french}</p>
</body>
</html>
"""
START: Final = PAGE.format(
    title="Jetpay",
    english="Were you sent a payment link? Open all of it, to its last character. Programs find the"
    ' <a href="/docs">reference of the API</a> here.',
    french="Avez-vous reçu un lien de paiement\N{NO-BREAK SPACE}? Ouvrez-le en entier, jusqu’au"
    " dernier caractère.",
)


def wants_page(scope: Scope) -> bool:
    """Whether a browser asks; programs do not name HTML."""
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])


def refusal_page(refusal: Refusal, scope: Scope, public_url: str) -> Response:
    """Of what went wrong before a page could be made; never why."""
    if isinstance(refusal, WrongHost):
        address = escape(public_url + scope["path"])
        link = f'<a href="{address}">{escape(public_url)}</a>'
        english = f"This page is at another address: {link}"
        french = f"Cette page se trouve à une autre adresse\N{NO-BREAK SPACE}: {link}"
    else:
        english = "Something went wrong here. Nothing was lost; please try again in a few minutes."
        french = (
            "Un problème est survenu. Rien n’est perdu\N{NO-BREAK SPACE}; veuillez réessayer dans"
            " quelques minutes."
        )
    headers = {} if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
    page = PAGE.format(title=refusal.title, english=english, french=french)
    return HTMLResponse(page, status_code=refusal.status, headers=headers)


async def start_page(_: Request) -> Response:
    """`GET /`."""
    return HTMLResponse(START)


async def no_icon(_: Request) -> Response:
    """Browsers ask for one by themselves."""
    return Response(status_code=204)


routes = [Route("/", start_page), Route("/favicon.ico", no_icon)]
