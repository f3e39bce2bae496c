"""Every command on one screen."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Final, NoReturn

import typer

from jetpay import __version__
from jetpay.cli import (
    brands,
    companies,
    company_settings,
    events,
    files,
    holds,
    keys,
    mails,
    networks,
    operations,
    running,
    tokens,
)
from jetpay.cli.frame import leave, sentence_of, warn

WRONG_USAGE = 2
INTERRUPTED = 130

app = typer.Typer(
    help="Payouts by link, self-hosted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they would print local variables
    rich_markup_mode=None,
)
GROUPS: Final[Mapping[str, tuple[str, Mapping[str, Callable[..., None]]]]] = {
    "company": ("Companies, who pay.", {
        "create": companies.create_company, "list": companies.list_companies,
        "set": company_settings.set_company, "brand": brands.brand,
        "question": company_settings.ask,
        "allow-network": networks.allow_network, "list-networks": networks.list_networks,
        "remove-network": networks.remove_network}),
    "token": ("API tokens, with which a company's backend signs in.", {
        "create": tokens.create_token, "list": tokens.list_tokens, "revoke": tokens.revoke_token}),
    "member": ("Members, who sign in to the dashboard.", {"create": companies.create_member}),
    "bank-account": ("Bank accounts that a company pays from.", {
        "create": companies.create_bank_account}),
    "bank-file": ("Bank files.", {
        "list": files.list_files, "show": files.show_file,
        "write": files.write_file, "mark-sent": files.mark_sent, "withdraw": files.withdraw,
        "send-again": files.send_again}),
    "credit": ("Credits that wait for a person.", {
        "held": holds.list_held, "release": holds.release_held, "readdress": mails.readdress}),
    "mail": ("Mails to payees and members.", {"list": mails.list_sent, "show": mails.show_one}),
    "events": ("Events, as webhooks get them.", {"tail": events.tail}),
    "ledger": ("The ledger.", {"prove": files.prove_ledger}),
    "sandbox": ("Sandbox companies.", {"advance": files.advance}),
    "keys": ("Root keys and working keys.", {
        "status": keys.keys_status, "rotate": keys.rotate_keys, "destroy": keys.destroy_key}),
}  # fmt: skip
for _group, (_help, _commands) in GROUPS.items():
    _typer = typer.Typer(help=_help, no_args_is_help=True, rich_markup_mode=None)
    for _name, _command in _commands.items():
        _typer.command(_name)(_command)
    app.add_typer(_typer, name=_group)

app.command("demo")(running.demo)
app.command("serve")(running.serve)
app.command("work")(running.work)
app.command("migrate")(operations.migrate)
app.command("check")(operations.check)
app.command("bench", context_settings={"ignore_unknown_options": True})(operations.bench)


def _version(asked: bool) -> None:  # noqa: FBT001 - Typer calls it so
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def jetpay(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Payouts by link, self-hosted."""


def _plainly(told: str) -> str:
    """Without the words of the library that reads options."""
    told = re.sub(r"Input should be a valid UUID.*", "this is no identifier.", told)
    return told.replace("Value error, ", "").replace("Input should be", "this must be")


def run() -> NoReturn:
    """Parse and do; errors are one sentence on stderr: 1 for a refusal, 2 for wrong usage."""
    try:
        code = app(standalone_mode=False)
    except typer.TyperException as problem:
        told = problem.format_message()
        if "\n" not in told:
            leave(_plainly(told), WRONG_USAGE)
        warn(told)  # the help, where a command was expected
        raise SystemExit(WRONG_USAGE) from None
    except (typer.Abort, KeyboardInterrupt):
        raise SystemExit(INTERRUPTED) from None
    except Exception as error:
        sentence = sentence_of(error)
        if sentence is None:
            raise
        leave(sentence, 1)
    raise SystemExit(code if isinstance(code, int) else 0)
