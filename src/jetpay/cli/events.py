"""Commands about events, for whoever develops a receiver."""

import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from jetpay.cli.frame import secret_from, warn
from jetpay.security.logs import harden_process


def tail(
    *,
    url: Annotated[str, typer.Option(help="Where Jetpay is, as https://pay.example.com.")],
    token: Annotated[
        str | None,
        typer.Option(envvar="JETPAY_TOKEN", help="An API token with the scope events:read."),
    ] = None,
    token_stdin: Annotated[bool, typer.Option("--token-stdin", help="Read it from stdin.")] = False,
    forward: Annotated[
        str | None, typer.Option(help="A receiver on this machine: post them there as webhooks.")
    ] = None,
    after: Annotated[
        int | None, typer.Option(min=0, help="Begin behind this event, not where you stopped.")
    ] = None,
    audience: Annotated[
        str | None, typer.Option(help="The aud that the receiver expects, if it expects one.")
    ] = None,
    keys_port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Where to serve the keys; 0: any free port.")
    ] = 0,
    state_home: Annotated[
        Path, typer.Option(envvar="XDG_STATE_HOME", help="Where is noted how far you are.")
    ] = Path("~/.local/state"),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print each event as JSON on one line.")
    ] = False,
) -> None:
    """Print a company's events as they happen, or forward them to a receiver on this machine.

    Goes on where it stopped, until Ctrl-C.
    """
    from jetpay.cli.calls import address
    from jetpay.cli.forward import Forwarder, make_key, receiver_address, serving_keys
    from jetpay.cli.tail import Cursor, Source, follow

    server = address(url, "--url")
    if server.query:
        raise typer.BadParameter("--url has no query")
    to = None if forward is None else receiver_address(forward)
    secret = secret_from(None if token_stdin else token, from_stdin=token_stdin, option="--token")
    source = Source(server, secret)
    cursor = Cursor.of(state_home.expanduser(), source, to)
    last = cursor.read() if after is None else after
    harden_process()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with ExitStack() as stack:
            forwarder = None
            if to is not None:
                forwarder = Forwarder(to, make_key(), audience)
                place = stack.enter_context(serving_keys(forwarder.key, keys_port))
                warn(f"What is forwarded can be verified with {place}")
                warn(f"or with the signing secret {forwarder.secret.reveal()}")
            follow(source, last, forwarder, cursor, as_json=as_json)
    except KeyboardInterrupt:
        return
    except BrokenPipeError:  # as of `| head`: nobody reads on, and Python would flush once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
