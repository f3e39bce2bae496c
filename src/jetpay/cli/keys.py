"""Commands about root keys and working keys."""

from typing import Annotated
from uuid import UUID

import typer

from jetpay.base.ids import CompanyId
from jetpay.cli.frame import AsJson, show, with_services
from jetpay.security import key_status, rotation
from jetpay.services import Services, root_keys_of
from jetpay.worker.key_ends import end_key

ROOT = "root"
"""In `keys rotate`: wrap every working key again under the first root key."""


def keys_status(as_json: AsJson = False) -> None:
    """Which root keys are needed, and what the working keys are doing."""

    async def work(services: Services) -> key_status.KeysStatus:
        return await key_status.status(services.db, root_keys_of(services.settings))

    found = with_services(work)
    roots = [
        {"fingerprint": each.fingerprint, "given": each.given, "wraps": each.wraps,
         "keys": each.keys, "may_be_dropped": each.may_be_dropped}
        for each in found.root_keys
    ]  # fmt: skip
    working = [_key(each) for each in found.working_keys]
    old = [
        {"purpose": "seal", "company": each.company_id, "number": each.number}
        for each in found.old_seal_keys
    ]
    lines = [
        f"root    {each.fingerprint}  wraps {each.keys} keys"
        + ("  may be dropped" if each.may_be_dropped else "")
        for each in found.root_keys
    ]
    lines += [
        f"{each.purpose:14} {each.number:3}  {each.state.value}" for each in found.working_keys
    ]
    lines += [
        f"seal           {each.number:3}  verify-only  of company {each.company_id}"
        for each in found.old_seal_keys
    ]
    if found.renewals_left:
        lines.append(f"{found.renewals_left} companies' seals and indexes are still to be renewed")
    told = {
        "root_keys": roots,
        "working_keys": working,
        "old_seal_keys": old,
        "renewals_left": found.renewals_left,
    }
    show(told, "\n".join(lines), as_json=as_json)


def rotate_keys(
    purpose: Annotated[str, typer.Argument(help=f"As in 'keys status', or {ROOT}.")],
    now: Annotated[
        bool,
        typer.Option(
            "--now",
            help="After a compromise: use it at once, withdrawing the webhooks' old key."
            " Receivers may refuse for minutes; what they refuse is sent again.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a new working key, or wrap all of them again under the first root key."""

    async def work(services: Services) -> dict[str, object]:
        if purpose == ROOT:
            return {
                "purpose": ROOT,
                "wrapped": await rotation.rewrap(services.db, services.keyring),
            }
        made = await rotation.rotate(
            services.db, services.keyring, purpose, at=services.clock.now(), now=now
        )
        return {"purpose": purpose} if made is None else _key(made)

    done = with_services(work)
    text = "  ".join(f"{key}: {value}" for key, value in done.items() if value is not None)
    show(done, text, as_json=as_json)


def destroy_key(
    purpose: Annotated[str, typer.Argument(help="As in 'keys status'.")],
    number: Annotated[int, typer.Argument(help="Of a key that has gone out of use.")],
    company: Annotated[
        UUID | None, typer.Option("--company", help="Whose it is, for a seal key.")
    ] = None,
    kill_links: Annotated[
        bool,
        typer.Option(
            "--kill-links",
            help="Even if links were made with it, answers for a pepper, or receipts: they are dead"
            " then. Open credits get new links, which events tell.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Erase a working key for good, if nothing needs it any more."""
    company_id = None if company is None else CompanyId(company)

    async def work(services: Services) -> int:
        return await end_key(
            services, purpose, number, company_id=company_id, kills_links=kill_links
        )

    killed = with_services(work)
    told = {"purpose": purpose, "number": number, "state": "destroyed", "links_killed": killed}
    links = f" {killed} links died with it." if killed else ""
    show(told, f"The {purpose} key number {number} is destroyed.{links}", as_json=as_json)


def _key(key: key_status.KeyStatus) -> dict[str, object]:
    return {
        "purpose": key.purpose,
        "number": key.number,
        "state": key.state.value,
        "root_key": key.root_fingerprint,
        "created_at": key.created_at,
        "activates_at": key.activates_at,
        "retires_at": key.retires_at,
    }
