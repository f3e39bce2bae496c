"""The payee's face: plain forms from the question to the day on which the money arrives."""

from starlette.routing import BaseRoute, Route

from jetpay.payment_page.views import PaymentPage
from jetpay.services import Services
from jetpay.static import StaticFiles


def routes(services: Services) -> list[BaseRoute]:
    """What `create_app` mounts; the static files are read and compressed here, once."""
    static = StaticFiles()
    page = PaymentPage(services, static)
    return [
        Route("/payment/pay/{token:path}", page.open_link, methods=["GET"]),
        Route("/payment/{identifier}", page.show, methods=["GET"]),
        Route("/payment/{identifier}", page.post, methods=["POST"]),
        static.route(),
    ]
