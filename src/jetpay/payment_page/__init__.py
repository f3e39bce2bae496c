"""The payee's face: plain forms from the question to the day on which the money arrives."""

from starlette.routing import BaseRoute, Route

from jetpay.payment_page import brand_files
from jetpay.payment_page.pages import Pages
from jetpay.payment_page.receipts.views import ReceiptPages
from jetpay.payment_page.views import PaymentPage
from jetpay.payment_page.visits import Visitors
from jetpay.services import Services
from jetpay.static import StaticFiles


def routes(services: Services) -> list[BaseRoute]:
    """What `create_app` mounts; the static files are read and compressed here, once."""
    static = StaticFiles()
    settings, visitors = services.settings, Visitors(services)
    pages = Pages(static, public_url=settings.public_url)
    page = PaymentPage(services, visitors, pages)
    receipts = ReceiptPages(services, visitors, pages)
    return [
        Route("/payment/pay/{token:path}", page.open_link, methods=["GET"]),
        Route("/payment/{identifier}", page.show, methods=["GET"]),
        Route("/payment/{identifier}", page.post, methods=["POST"]),
        Route("/payment/{identifier}/receipt.pdf", receipts.pdf, methods=["GET"]),
        Route("/receipt/{token}", receipts.check, methods=["GET"]),
        Route("/payment/not-me/{token}", page.disowning.show, methods=["GET"]),
        Route("/payment/not-me/{token}", page.disowning.post, methods=["POST"]),
        static.route(),
        *brand_files.routes(services),
    ]
