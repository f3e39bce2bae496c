"""Receipts: what they say is signed, anybody can check it, and nobody else gets one."""

import asyncio
import base64
import io
import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest
import zxingcpp
from PIL import Image
from pypdf import PdfReader

from jetpay.contacts.erasure import erase_contact
from jetpay.events.model import OPERATOR
from jetpay.payment_page.receipts import views
from jetpay.receiver import NotGenuine, Receiver
from jetpay.security.keys import Purpose
from jetpay.security.signing import signing_key, webhook_token
from jetpay.services import Services
from tests.payment_page.browser import BASE_URL, Browser, Page
from tests.payment_page.conftest import Link, NewBrowser, NewLink
from tests.payment_page.facts import ask, complete, fingerprint, send_back, settle, to_the_bank
from tests.world import ANSWER, Company

Turn = Callable[[timedelta], None]
RECEIPT = "?view=receipt"


async def accepted(browser: Browser, link: Link) -> None:
    await browser.to_review(link.token, ANSWER)
    assert (await browser.submit(decision="accept")).state == "initiated"


async def paid(browser: Browser, link: Link, services: Services) -> Page:
    """The receipt of a payment that is complete."""
    await accepted(browser, link)
    await complete(services, link)
    page = await browser.get(link.path + RECEIPT)
    assert (page.status, page.headings) == (200, ["Receipt"])
    return page


def address_of(page: Page) -> str:
    found = re.search(rf'href="({BASE_URL}/receipt/[^"]+)"', page.text)
    assert found is not None
    return found[1]


async def claims_of(browser: Browser, address: str) -> dict[str, Any]:
    """Read with PyJWT and the published keys, as a stranger would."""
    keys = jwt.PyJWKSet.from_dict(
        (await browser.client.get("/.well-known/receipts.jwks.json")).json()
    )
    token = address.rpartition("/")[2]
    header = jwt.get_unverified_header(token)
    assert (header["typ"], header["alg"]) == ("receipt+jwt", "RS256")
    claims: dict[str, Any] = jwt.decode(
        token,
        keys[header["kid"]],
        algorithms=["RS256"],
        issuer="jetpay",
        options={"require": ["iss", "sub", "jti", "iat"]},
    )
    return claims


def encode(header: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")


def lit(path: str, side: int) -> Image.Image:
    """What a camera would see of the page's code: the path drawn with a pen of one module."""
    picture = Image.new("L", (side, side), 255)
    x, y = 0, 0
    for dx, dy, run in re.findall(r"m(-?\d+) (-?\d+)h(\d+)", path):
        x, y = x + int(dx), y + int(dy)
        for _ in range(int(run)):
            picture.putpixel((x, y), 0)
            x += 1
    return picture.resize((side * 4, side * 4), Image.Resampling.NEAREST)


async def test_a_receipt_says_what_its_token_says(
    browser: Browser, link: Link, services: Services
) -> None:
    page = await paid(browser, link, services)
    claims = await claims_of(browser, address_of(page))
    [[reference]] = await ask(
        services.db, "select reference from payment_attempt where credit_id = %s", link.credit_id
    )
    at = services.clock.now()
    stamp = at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    assert claims.pop("jti")
    assert claims == {
        "iss": "jetpay",
        "sub": "receipt",
        "iat": int(at.timestamp()),
        "company": str(link.company_id),
        "company_name": "Acme Example",
        "credit": str(link.credit_id),
        "amount": 10_000,
        "currency": "CAD",
        "statement": "Payment 4711",
        "state": "completed",
        "account_last3": "001",
        "reference": reference,
        "accepted_at": stamp,
        "completed_at": stamp,
        "sandbox": True,
    }
    for said in ("$100.00", "Acme Example", "Payment 4711", "001", reference, str(link.credit_id)):
        assert said in page.words
    assert "Test, no money moves." in page.words
    assert "1000001" not in page.text


async def test_a_camera_reads_the_address_of_the_check_from_page_and_pdf(
    browser: Browser, link: Link, services: Services
) -> None:
    page = await paid(browser, link, services)
    [path] = re.findall(r'd="M0 0(m[^"]+)"', page.text)
    [side] = re.findall(r'class="qr" viewBox="0 0 (\d+) \1"', page.text)
    assert [each.text for each in zxingcpp.read_barcodes(lit(path, int(side)))] == [
        address_of(page)
    ]
    assert len(page.text) < 60_000
    assert "style=" not in page.text
    response = await browser.client.get(link.path + "/receipt.pdf")
    [image] = PdfReader(io.BytesIO(response.content)).pages[0].images
    [code] = zxingcpp.read_barcodes(image.image)
    claims = await claims_of(browser, code.text)
    assert (claims["credit"], claims["state"]) == (str(link.credit_id), "completed")


@pytest.mark.parametrize("code, said", [("en", "Receipt"), ("fr", "Reçu")])
async def test_the_pdf_can_be_read_out_and_copied(
    browser: Browser, link: Link, services: Services, code: str, said: str
) -> None:
    await paid(browser, link, services)
    response = await browser.client.get(f"{link.path}/receipt.pdf?lang={code}")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/pdf"
    assert "sandbox" in response.headers["content-security-policy"]
    assert response.headers["cache-control"] == "no-store"
    assert re.fullmatch(
        r'attachment; filename="receipt-[A-Z0-9]{12}\.pdf"', response.headers["content-disposition"]
    )
    document = PdfReader(io.BytesIO(response.content))
    assert len(document.pages) == 1
    text = " ".join(document.pages[0].extract_text().split())
    page = await browser.get(f"{link.path}{RECEIPT}&lang={code}")
    rows = re.findall(r"<dt>([^<]+)</dt><dd>([^<]+)</dd>", page.text)
    assert len(rows) == 8
    for label, value in rows:
        assert " ".join(label.split()) in text
        assert " ".join(value.split()) in text
    assert "1000001" not in text
    assert document.metadata is not None
    assert document.metadata.title == f"{said} – Acme Example"
    catalogue: Any = document.trailer["/Root"]
    assert catalogue["/Lang"] == f"{code}-CA"
    assert catalogue["/ViewerPreferences"]["/DisplayDocTitle"]
    assert catalogue["/MarkInfo"]["/Marked"]
    assert len(response.content) < 100_000


async def test_names_in_other_scripts_stand_in_the_pdf(
    browser: Browser, link: Link, services: Services
) -> None:
    await accepted(browser, link)
    await complete(services, link)
    name = "Ελληνική Żółć Ñandú Їжак " + "Œuvre d’été " * 6
    rename = "update company set name = %s where company_id = %s"
    async with services.db.connection() as connection:
        await connection.execute(rename.encode(), [name.strip(), link.company_id])
    document = await browser.client.get(link.path + "/receipt.pdf")
    [page] = PdfReader(io.BytesIO(document.content)).pages
    assert name.strip() in " ".join(page.extract_text().split())


async def test_what_the_bank_has_is_confirmed_and_not_receipted(
    browser: Browser, link: Link, services: Services
) -> None:
    await accepted(browser, link)
    page = await browser.get(link.path + RECEIPT)
    assert (page.step, page.headings) == ("status", ["You accepted the payment"])
    assert "view=receipt" not in (await browser.get(link.path)).text
    answer = await browser.client.get(link.path + "/receipt.pdf")
    assert (answer.status_code, answer.headers["location"]) == (303, BASE_URL + link.path)
    await to_the_bank(services, link)
    page = await browser.get(link.path)
    assert "?view=receipt" in page.text
    page = await browser.get(link.path + RECEIPT)
    assert page.headings == ["Confirmation: the payment is on its way"]
    assert "it is not complete yet" in page.words
    claims = await claims_of(browser, address_of(page))
    assert claims["state"] == "processing"
    assert "completed_at" not in claims


async def test_looking_at_a_receipt_and_checking_it_write_nothing(
    browser: Browser, new_browser: NewBrowser, link: Link, services: Services
) -> None:
    page = await paid(browser, link, services)
    before = await fingerprint(services.db)
    await browser.get(link.path + RECEIPT)
    await browser.client.get(link.path + "/receipt.pdf")
    await new_browser().get(urlsplit(address_of(page)).path)
    assert await fingerprint(services.db) == before


async def test_nobody_gets_a_receipt_without_the_session(
    browser: Browser, new_browser: NewBrowser, link: Link, new_link: NewLink, services: Services
) -> None:
    await paid(browser, link, services)
    stranger = new_browser()
    assert (await stranger.client.get(link.path + "/receipt.pdf")).status_code == 404
    assert (await stranger.get(link.path + RECEIPT)).status == 404
    await stranger.open(link.token)
    answer = await stranger.client.get(link.path + "/receipt.pdf")
    assert (answer.status_code, answer.headers["location"]) == (303, BASE_URL + link.path)
    page = await stranger.get(link.path + RECEIPT)
    assert (page.step, "100.00" in page.text) == ("question", False)
    other = await new_link()
    await stranger.to_details(other.token, ANSWER)
    assert (await stranger.client.get(link.path + "/receipt.pdf")).status_code == 303
    for path in ("/payment/nonsense/receipt.pdf", "/payment/a%0d%0aSet-Cookie:x/receipt.pdf"):
        answer = await stranger.client.get(path)
        assert (answer.status_code, "set-cookie" in answer.headers) == (404, False)


async def test_anybody_can_check_a_receipt_and_learns_what_became_of_it(
    browser: Browser, new_browser: NewBrowser, link: Link, services: Services
) -> None:
    await accepted(browser, link)
    await to_the_bank(services, link)
    confirmation = urlsplit(address_of(await browser.get(link.path + RECEIPT))).path
    landlord = new_browser()
    page = await landlord.get(confirmation)
    assert (page.status, page.headings) == (200, ["This receipt is genuine"])
    assert "It is still so now." in page.words
    assert "Test, no money moves." in page.words
    await settle(services, link)
    assert "Since then the payment has been completed." in (await landlord.get(confirmation)).words
    receipt = urlsplit(address_of(await browser.get(link.path + RECEIPT))).path
    assert "It is still so now." in (await landlord.get(receipt)).words
    await send_back(services, link)
    for path in (confirmation, receipt):
        page = await landlord.get(path)
        assert page.headings == ["This receipt is genuine"]
        assert "It is no longer so" in page.words
        assert "account_closed" not in page.text
        assert page.headers["referrer-policy"] == "no-referrer"


async def test_a_receipt_of_the_payment_before_the_repair_is_no_longer_so(
    browser: Browser, new_browser: NewBrowser, link: Link, services: Services
) -> None:
    old = urlsplit(address_of(await paid(browser, link, services))).path
    await send_back(services, link)
    other = {"account_number": "2000002", "account_number_again": "2000002"}
    await browser.to_review(link.token, ANSWER, **other)
    await browser.submit(decision="accept")
    await complete(services, link)
    new = urlsplit(address_of(await browser.get(link.path + RECEIPT))).path
    assert "It is no longer so" in (await new_browser().get(old)).words
    assert "It is still so now." in (await new_browser().get(new)).words


async def test_what_was_not_signed_here_is_no_receipt(
    browser: Browser, new_browser: NewBrowser, link: Link, services: Services
) -> None:
    path = urlsplit(address_of(await paid(browser, link, services))).path
    token = path.rpartition("/")[2]
    header, payload, signature = token.split(".")
    none = encode({"alg": "none", "typ": "receipt+jwt"}) + f".{payload}."
    kid = json.loads(base64.urlsafe_b64decode(header + "=="))["kid"]
    odd = encode({"alg": "RS256", "typ": "receipt+jwt", "kid": kid, "crit": 1})
    changed = payload[:40] + ("A" if payload[40] != "A" else "B") + payload[41:]
    answers = set()
    for wrong in (
        "x", "a.b.c", "é", none, f"{odd}.{payload}.{signature}",
        f"{header}.{changed}.{signature}", f"{header}.{payload}.",
        token[:-8] + "AAAAAAAA", token + "A" * 4_000,
    ):  # fmt: skip
        answer = await new_browser().client.get(f"/receipt/{wrong}")
        answers.add((answer.status_code, answer.content))
    [(status, body)] = answers
    assert status == 404
    assert b"This receipt is not genuine" in body
    assert b"100.00" not in body


async def test_a_receipt_is_no_webhook_and_a_webhook_no_receipt(
    browser: Browser, link: Link, services: Services
) -> None:
    token = address_of(await paid(browser, link, services)).rpartition("/")[2]
    ring, now = services.keyring, services.clock.now()
    sets = [
        {key["kid"] for key in ring.published(purpose, at=now)}
        for purpose in (Purpose.RECEIPT_RS256, Purpose.WEBHOOK_RS256)
    ]
    assert sets[0]
    assert sets[0].isdisjoint(sets[1])
    # Even a receiver that was given the wrong set takes no receipt for a delivery.
    keys = {"keys": ring.published(Purpose.RECEIPT_RS256, at=now)}
    receiver = Receiver(lambda: keys, company=str(link.company_id), webhook=str(link.credit_id))
    with pytest.raises(NotGenuine):
        receiver.verify({"Authorization": f"Bearer {token}"}, b"{}")
    # Nor is everything a receipt that the key of receipts has signed.
    delivery = webhook_token(
        signing_key(ring, Purpose.RECEIPT_RS256),
        body=b"{}",
        company_id=link.company_id,
        webhook_id=link.credit_id,
        audience=None,
        token_id=link.credit_id,
        at=now,
    )
    assert (await browser.get(f"/receipt/{delivery}")).status == 404


async def test_a_payee_waits_when_many_pdfs_are_made(
    browser: Browser, link: Link, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    await paid(browser, link, services)
    monkeypatch.setattr(views, "PDFS_AT_ONCE", 2)
    answers = await asyncio.gather(
        *(browser.client.get(link.path + "/receipt.pdf") for _ in range(6))
    )
    statuses = [each.status_code for each in answers]
    assert set(statuses) == {200, 503}
    assert all(each.headers.get("retry-after") for each in answers if each.status_code == 503)
    assert (await browser.client.get(link.path + "/receipt.pdf")).status_code == 200


async def test_an_erased_contact_leaves_no_receipt_to_be_made(
    browser: Browser, link: Link, company: Company, services: Services
) -> None:
    path = urlsplit(address_of(await paid(browser, link, services))).path
    at = services.clock.now()
    await erase_contact(services.db, link.company_id, company.contact, by=OPERATOR, at=at)
    assert (await browser.get(path)).status == 200, "what was given out stays checkable"
