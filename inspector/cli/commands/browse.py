"""The command `browse`: opens the port and prints the address; the pages are in `inspector.browse`."""

from __future__ import annotations

import asyncio
import secrets
import socket
import sys
import webbrowser
from pathlib import Path
from urllib.parse import quote

import click

from inspector.cli.options.configured_command import ConfiguredCommand
from inspector.cli.process_setup import LOG_FORMAT
from inspector.cli.service_notices import ServiceNotices
from inspector.errors import UnusableAddress
from inspector.log_format import start as log_lines
from inspector.proxy.addresses import bracketed, listening_socket, parse_listen, reached_at
from inspector.store.files.connection import open_recording

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@click.command(
    cls=ConfiguredCommand,
    epilog="""\b
Examples:
  chargesentinel browse traffic.db --open
  chargesentinel browse traffic.db --listen 0.0.0.0:8001 --token

The recording may still be growing; browse only reads it. If the recording has
several files (--rotate), the newest one is shown, and each new one as it begins.""",
)
@click.argument("file", type=click.Path(path_type=Path), default=Path("traffic.db"))
@click.option(
    "--listen",
    metavar="[HOST:]PORT",
    default="127.0.0.1:8001",
    show_default=True,
    help="Address of the pages; 0 is any free port. Other machines need a --token.",
)
@click.option("--open", "open_browser", is_flag=True, help="Open the pages in the web browser.")
@click.option(
    "--token",
    is_flag=False,
    flag_value="",
    metavar="[TOKEN]",
    envvar="CHARGESENTINEL_TOKEN",
    help="Demand this token; without a value, make one up and print it.",
)
@click.option("--allow-host", multiple=True, metavar="NAME", help="Another host name under which to answer.")
@LOG_FORMAT
def browse(
    file: Path, listen: str, open_browser: bool, token: str | None, allow_host: tuple[str, ...], log_format: str
) -> None:
    """Show a recording in the web browser, also while it grows.

    The pages are part of Datasette: sessions, frames, findings, charge points, dashboards, tables and SQL.
    """
    log_lines(log_format)
    notices = ServiceNotices()
    host, port = parse_listen(listen)
    if host not in LOOPBACK and token is None:
        raise UnusableAddress(
            listen,
            "other machines may open a recording only with a token",
            "add --token, or listen on 127.0.0.1",
        )
    open_recording(file).close()
    listener = listening_socket(host, port)
    shown = secrets.token_urlsafe(16) if token == "" else token

    from inspector.browse.security import Policy, hosts
    from inspector.browse.server import serve
    from inspector.browse.views.commands import opening_line
    from inspector.store.files.rotation import earlier

    policy = Policy(hosts([*allow_host, *_own_names(host)]), any_address=host not in LOOPBACK, token=shown)
    port = listener.getsockname()[1]
    address = f"http://{bracketed('127.0.0.1' if host in ('0.0.0.0', '::') else host)}:{port}"
    elsewhere = reached_at(listener)
    query = f"/?token={quote(shown, safe='')}" if shown else ""

    def ready() -> None:
        click.echo(f"browse at {address}{query}")
        if before := earlier(file):
            click.echo(
                f"{file} is the newest of {len(before) + 1} files, {file.resolve().name} now; new ones are shown too."
            )
            click.echo(f"The file before it: {opening_line(before[-1])}")
        for other in elsewhere:
            click.echo(f"  from other machines: http://{other}:{port}{query}")
        sys.stdout.flush()
        notices.ready()
        if open_browser:
            webbrowser.open(f"{address}{query or '/'}")

    asyncio.run(serve(file, policy, listener, ready, notices.stopping))


def _own_names(host: str) -> list[str]:
    return [host] if host not in ("0.0.0.0", "::") else [socket.gethostname()]
