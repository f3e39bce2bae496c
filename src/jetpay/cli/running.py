"""Commands that stay: serve, work, demo."""

from contextlib import ExitStack, suppress
from typing import Annotated, Any

import structlog
import typer

from jetpay.cli.frame import AsJson, Failure, show
from jetpay.security.logs import configure_logging, harden_process
from jetpay.settings import PORT_MAXIMUM, Settings, unknown_variables

log = structlog.get_logger(__name__)


def serve(
    host: Annotated[str | None, typer.Option(help="Where to listen.")] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=PORT_MAXIMUM, help="On which port.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Processes that answer requests.")
    ] = None,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Leave what is due to 'jetpay work'.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Serve the API and the payment pages, and do what is due."""
    from jetpay.serve import parent

    options = {"host": host, "port": port, "workers": workers}
    given: dict[str, Any] = {
        name: str(value) for name, value in options.items() if value is not None
    }
    settings = Settings.read(**given)
    configure_logging(level=settings.log_level)
    _warn_of_slips()
    if as_json:
        show({"url": settings.public_url}, "", as_json=True)
    code = parent.serve(settings, given, make_app=make_app, with_worker=not no_worker)
    raise typer.Exit(code)


def work(as_json: AsJson = False) -> None:
    """Do what is due and deliver webhooks, without serving."""
    from jetpay.metrics import CannotListen, listening
    from jetpay.serve.due_worker import work_alone

    settings = Settings.read()
    configure_logging(level=settings.log_level)
    _warn_of_slips()
    harden_process()
    with ExitStack() as stack:
        with suppress(CannotListen):  # a 'jetpay serve' of the same machine may have it
            stack.enter_context(listening(settings.metrics_listen))
        work_alone(settings)
    if as_json:
        show({"ok": True}, "", as_json=True)


def demo(
    once: Annotated[bool, typer.Option("--once", help="Leave after the story.")] = False,
    port: Annotated[int | None, typer.Option(help="Where to serve; 8080 if it is free.")] = None,
    as_json: AsJson = False,
) -> None:
    """Play a whole payout over HTTP on a throw-away database, then serve its pages."""
    from jetpay.demo.play import play
    from jetpay.demo.story import StoryFailed

    try:
        play(once=once, port=port, as_json=as_json)
    except StoryFailed as failed:
        raise Failure(str(failed)) from failed


def _warn_of_slips() -> None:
    for name in unknown_variables():
        log.warning("unknown_setting", variable=name)


def make_app(services: Any) -> Any:
    """In an HTTP worker, which imports this by name: the application, and how it names routes."""
    from jetpay.api.frame import template_of
    from jetpay.app import create_app

    return create_app(services), template_of
