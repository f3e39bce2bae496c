"""A company's brand: readable whatever the colour, and an image that was made anew."""

import hashlib
import io
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from jetpay.base.ids import CompanyId, uuid7
from jetpay.base.refusals import NotFound
from jetpay.companies.brands import Brand, brand_of, change_brand
from jetpay.events.model import OPERATOR
from jetpay.payment_page.colours import (
    DARK_GROUNDS,
    LIGHT_GROUNDS,
    TEXT_CONTRAST,
    contrast,
    readable,
    stylesheet,
    written_on,
)
from jetpay.payment_page.pages import reach
from jetpay.security.logo_box import PNG_BYTES
from jetpay.security.logos import UPLOADED_BYTES, NotALogo, make_logo
from tests.payment_page.browser import BASE_URL, Browser
from tests.payment_page.conftest import NewLink
from tests.world import Company

COLOURS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


def picture(kind: str, size: tuple[int, int] = (300, 90), mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.effect_noise(size, 60).convert(mode).save(out, kind)
    return out.getvalue()


@given(COLOURS)
def test_every_colour_gives_a_pair_that_can_be_read(colour: str) -> None:
    for grounds in (LIGHT_GROUNDS, DARK_GROUNDS):
        found = readable(colour, grounds)
        assert all(contrast(found, ground) >= TEXT_CONTRAST for ground in grounds)
        assert contrast(written_on(found), found) >= TEXT_CONTRAST


def test_a_colour_that_can_be_read_stays_as_it_is() -> None:
    assert readable("#0b5d51", LIGHT_GROUNDS) == "#0b5d51"
    assert "--strong:#0b5d51;--on-strong:#ffffff" in stylesheet("#0b5d51")
    assert readable("#ffee00", LIGHT_GROUNDS) != "#ffee00"
    assert contrast("#000000", "#ffffff") == 21


def test_the_grounds_are_those_of_the_stylesheet() -> None:
    css = (Path(sys.modules["jetpay.static"].__file__ or "").parent / "payment.css").read_text()
    light, dark = css.split("prefers-color-scheme: dark", 1)
    for part, grounds in ((light, LIGHT_GROUNDS), (dark.split("}", 1)[0], DARK_GROUNDS)):
        for name, ground in zip(("card", "page", "calm-soft"), grounds, strict=True):
            assert f"--{name}: {ground};" in part


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_logo_is_made_anew_and_light(kind: str) -> None:
    logo = make_logo(picture(kind, (300, 300)))
    image = Image.open(io.BytesIO(logo.png))
    assert (image.format, image.size) == ("PNG", (logo.width, logo.height))
    assert len(logo.png) <= PNG_BYTES


def test_what_was_hidden_in_a_logo_is_gone() -> None:
    words = PngImagePlugin.PngInfo()
    words.add_text("Comment", "seeded secret")
    out = io.BytesIO()
    Image.new("RGBA", (40, 20), "#0b5d5180").save(out, "PNG", pnginfo=words)
    logo = make_logo(out.getvalue() + b"<script>seeded secret</script>")
    assert b"seeded" not in logo.png
    pixel = Image.open(io.BytesIO(logo.png)).convert("RGBA").getpixel((3, 3))
    assert pixel == (0x0B, 0x5D, 0x51, 0x80), "it stays half transparent"


@pytest.mark.parametrize(
    "upload, said",
    [
        (b"", "is a PNG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is a PNG"),
        (picture("GIF", mode="P"), "is a PNG"),
        (picture("PNG")[:200], "is a PNG"),
        (picture("PNG", (2_001, 4)), "2,000 x 2,000"),
        (b"x" * (UPLOADED_BYTES + 1), "512 KiB"),
    ],
    ids=["nothing", "svg", "gif", "torn", "too_wide", "too_many_bytes"],
)
def test_what_is_no_logo_is_refused(upload: bytes, said: str) -> None:
    with pytest.raises(NotALogo, match=said):
        make_logo(upload)


def test_the_box_can_open_nothing() -> None:
    box = Path(sys.modules["jetpay.security.logos"].__file__ or "").with_name("logo_box.py")
    tried = f"import runpy; box = runpy.run_path({str(box)!r}); g = box['main'].__globals__\n"
    tried += "g['redrawn'] = lambda _: open('/etc/hostname', 'rb').read()\nbox['main']()"
    ran = subprocess.run(
        [sys.executable, "-I", "-c", tried], input=b"", capture_output=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (3, b"")


async def test_a_page_wears_its_company_s_brand(
    app: FastAPI, browser: Browser, company: Company, new_link: NewLink
) -> None:
    db, now = company.services.db, company.services.clock.now()
    link = await new_link()
    page = await browser.open(link.token)
    assert "/brand/" not in page.text
    logo = make_logo(picture("PNG"))
    brand = await change_brand(
        db, company.company_id, colour="#7700cc", logo=logo, by=OPERATOR, now=now
    )
    sha256 = hashlib.sha256(logo.png).hexdigest()
    assert brand == Brand("#7700cc", sha256, logo.width, logo.height)
    page = await browser.open(link.token)
    assert f'<img src="/brand/{sha256}.png" alt="Acme Example"' in page.text
    assert 'href="/brand/7700cc.css"' in page.text
    assert "style=" not in page.text
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE_URL) as client:
        served = await client.get(f"/brand/{sha256}.png")
        assert (served.content, served.headers["content-type"]) == (logo.png, "image/png")
        assert "immutable" in served.headers["cache-control"]
        styled = await client.get("/brand/7700cc.css")
        assert styled.text == stylesheet("#7700cc")
        for path in (f"{'0' * 64}.png", f"{sha256.upper()}.png", "7700CC.css", "red.css", "x.png"):
            assert (await client.get(f"/brand/{path}")).status_code == 404
    kept = await change_brand(db, company.company_id, colour="", by=OPERATOR, now=now)
    assert kept == Brand(None, sha256, logo.width, logo.height)
    await change_brand(db, company.company_id, without_logo=True, by=OPERATOR, now=now)
    assert await brand_of(db, company.company_id) == Brand()
    with pytest.raises(NotFound):
        await change_brand(db, CompanyId(uuid7()), colour="#000000", by=OPERATOR, now=now)


@pytest.mark.parametrize(
    "contact, leads_to",
    [
        ("help@example.com", "mailto:help@example.com"),
        ("+1 (416) 555-0123", "tel:+14165550123"),
        ("https://example.com/help", "https://example.com/help"),
        ("tel:+14165550123", "tel:+14165550123"),
        ("javascript:alert(1)", None),
        ("http://example.com", None),
        ("help@example.com?subject=x", None),
        ("at the counter", None),
    ],
)
def test_a_contact_leads_to_a_mail_a_telephone_or_a_site(
    contact: str, leads_to: str | None
) -> None:
    assert reach(contact) == leads_to
