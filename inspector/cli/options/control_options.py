"""The options of `proxy` for its control port: open the port, and leave its address for the command `control`."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import click

from inspector.errors import UserMistake
from inspector.proxy.addresses import bracketed, listening_socket, parse_listen
from inspector.proxy.control import access


def control_options[F: Callable[..., Any]](command: F) -> F:
    """Add --control and --control-token-file to a command."""
    token = click.option(
        "--control-token-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help=f"File with the token that opens --control. [default: ${access.TOKEN_VARIABLE}, or else a new token]",
    )
    port = click.option(
        "--control",
        metavar="[HOST:]PORT",
        help="Serve a page and an API here for rules and frames by hand; 0 is any free port.",
    )
    return port(token(command))


class ControlPort:
    """The control port of one run of the proxy."""

    def __init__(self, address: str, given: str | None, recording: Path) -> None:
        self._address, self._given, self._recording = address, given, recording
        self.token = given or access.new_token()
        self.listener: socket.socket | None = None

    @classmethod
    def from_options(cls, options: dict[str, Any], recording: Path) -> Self | None:
        """Return the port that the options ask for, None if they ask for none. Raises UserMistake."""
        if not options["control"]:
            if options["control_token_file"]:
                raise UserMistake("--control-token-file needs --control")
            return None
        parse_listen(options["control"])
        given = access.token_from(options["control_token_file"], os.environ.get(access.TOKEN_VARIABLE) or None)
        return cls(options["control"], given, recording)

    def listen(self) -> None:
        """Open the port. Raises UnusableAddress."""
        self.listener = listening_socket(*parse_listen(self._address), option="--control")

    def announce(self) -> None:
        """Print the address, and leave it for the command `control`. A token that the user has given is not printed."""
        assert self.listener is not None
        host, port = self.listener.getsockname()[:2]
        url = f"http://{bracketed({'0.0.0.0': '127.0.0.1', '::': '::1'}.get(host, host))}:{port}"
        access.write(self._recording, access.Access(url, self.token))
        click.echo(f"control at {url}/" + ("" if self._given else f"?token={self.token}"))

    def close(self) -> None:
        """Close the port, and remove the file that names it."""
        if self.listener is not None:
            self.listener.close()
        access.remove(self._recording)
