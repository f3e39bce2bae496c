"""What docs/payment-page.md shows for receipts works, and its table is the code's."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jwt

from jetpay.payment_page import sentences
from jetpay.services import Services
from tests.payment_page.browser import ACCOUNT, read_page
from tests.payment_page.conftest import Link
from tests.payment_page.facts import complete, to_the_bank
from tests.world import ANSWER

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs/payment-page.md").read_text()
PUBLIC_URL = "https://pay.example.com"
FIELDS = {
    "account number": {"account_number"},
    "institution": {"institution_number"},
    "transit and routing number": {"transit_number", "routing_number"},
    "IBAN": {"iban"},
    "every number": {
        "account_number", "institution_number", "transit_number", "routing_number", "iban",
    },
    "kind of account": {"account_type"},
    "name of the holder": {"holder_name"},
}  # fmt: skip


async def accepted(origin: str, link: Link) -> httpx.AsyncClient:
    """A client at the status of an accepted payment, over real HTTP."""
    client = httpx.AsyncClient(base_url=origin, follow_redirects=True)
    page = read_page(await client.get(f"/payment/pay/{link.token}"))
    for fields in ({"answer": ANSWER}, ACCOUNT, {"decision": "accept"}):
        page = read_page(await client.post(link.path, data={**page.hidden, **fields}))
    assert page.state == "initiated"
    return client


async def scanned(client: httpx.AsyncClient, link: Link) -> str:
    text = (await client.get(f"{link.path}?view=receipt")).text
    found = re.search(r'href="(http[^"]+/receipt/[^"]+)"', text)
    assert found is not None
    return found[1]


async def test_the_code_with_pyjwt_reads_genuine_receipts_and_no_others(
    origin: str, link: Link, services: Services
) -> None:
    [code] = [
        each
        for each in re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
        if "receipts.jwks" in each
    ]
    names: dict[str, Any] = {}
    exec(code.replace(PUBLIC_URL, origin), names)  # noqa: S102 - what the document tells to write
    receipt_of: Callable[[str], dict[str, Any] | None] = names["receipt_of"]
    client = await accepted(origin, link)
    await to_the_bank(services, link)
    address = await scanned(client, link)
    assert await asyncio.to_thread(receipt_of, address) is None, "of a sandbox"
    # A live company needs what a test has not; all else is as the document has it.
    code = code.replace('None if claims.get("sandbox") else claims', "claims")
    exec(code.replace(PUBLIC_URL, origin), names)  # noqa: S102
    receipt_of = names["receipt_of"]
    claims = await asyncio.to_thread(receipt_of, address)
    assert claims is not None
    assert (claims["state"], claims["amount"]) == ("processing", 10_000)
    for wrong in (
        address[:-8] + "AAAAAAAA",
        address.replace(origin, "http://evil.example"),
        "x",
        address + "/",
    ):
        assert await asyncio.to_thread(receipt_of, wrong) is None
    await client.aclose()


async def test_the_table_of_claims_names_each_claim(
    origin: str, link: Link, services: Services
) -> None:
    client = await accepted(origin, link)
    await complete(services, link)
    token = (await scanned(client, link)).rpartition("/")[2]
    claims = jwt.decode(token, options={"verify_signature": False})
    [table] = re.findall(r"\| claim \| is \|\n\|---\|---\|\n(.*?)\n\n", DOCUMENT, re.DOTALL)
    told = {
        name for line in table.splitlines() for name in re.findall(r"`(\w+)`", line.split("|")[1])
    }
    assert told == set(claims)
    await client.aclose()


def test_the_table_of_marked_fields_is_that_of_the_page() -> None:
    [table] = re.findall(
        r"\| `fail_reason` \| marked \|\n\s+\|---\|---\|\n(.*?)\n\n", DOCUMENT, re.DOTALL
    )
    told: dict[str, set[str]] = {}
    for line in table.splitlines():
        _, reasons, marked, _ = line.split("|")
        fields = [FIELDS[each.strip()] for each in marked.split(",")]
        told |= {reason: set().union(*fields) for reason in re.findall(r"`(\w+)`", reasons)}
    assert told == {reason: set(fields) for reason, fields in sentences.FAULTY_FIELDS.items()}
    assert set(told) == set(sentences.REPAIRS)
