"""The command `simulator`: serves or saves the page of the package `simulator`."""

from __future__ import annotations

from pathlib import Path

import click

from inspector.errors import UnusableFile


@click.command(
    epilog="""\b
Examples:
    chargesentinel simulator --listen 8080
    chargesentinel simulator --save charge-point.html

Then open http://127.0.0.1:8080, or the saved file with a double click, and press Connect. A link can hold the
settings: ?url=ws://localhost:9000/CP-1&id=CP-1&version=2.0.1&autostart=full"""
)
@click.option(
    "--listen",
    metavar="[HOST:]PORT",
    default="127.0.0.1:8080",
    show_default=True,
    help="Address of the page; 0 is any free port.",
)
@click.option(
    "--save",
    "target",
    metavar="FILE.html",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Save the page as one file that works without a server, and exit.",
)
def simulator(listen: str, target: Path | None) -> None:
    """Serve a page that turns a browser into a charge point.

    The page speaks OCPP 1.6, 2.0.1 and 2.1 and loads nothing from other sites. Ctrl-C ends the command.
    """
    from simulator.page_server.page import assemble

    if target is not None:
        try:
            target.write_text(assemble(), encoding="utf-8")
        except OSError as error:
            raise UnusableFile(target, f"cannot be written ({error.strerror})", "choose another with --save") from None
        click.echo(f"saved {target}: open it in a browser")
        return

    from inspector.proxy.addresses import bracketed, listening_socket, parse_listen
    from simulator.page_server.serving import serve

    listener = listening_socket(*parse_listen(listen))
    host, port = listener.getsockname()[:2]
    serve(listener, lambda: click.echo(f"simulator at http://{bracketed(host)}:{port}"))
