"""The options of `proxy` about shadows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from inspector.cli.options.option_types import amount
from inspector.errors import UserMistake

_OPTIONS = (
    click.option(
        "--shadow",
        "shadows",
        multiple=True,
        metavar="PATTERN=URL",
        help="Mirror some charge points to a second CSMS and record its answers: CP-*=URL by id, *=URL all; see"
        " docs/shadow.md.",
    ),
    click.option(
        "--shadow-calls",
        type=click.Choice(["reject", "answer"]),
        default="reject",
        show_default=True,
        help="What a shadow's own CALLs get: NotSupported, or the charge point's last answer to the same action.",
    ),
    click.option("--shadow-authorization", is_flag=True, help="Send shadows the charge points' Authorization headers."),
    click.option(
        "--shadow-ca",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Trust this CA for wss:// shadows, instead of the system's CAs.",
    ),
    click.option(
        "--shadow-queue",
        default="1MiB",
        show_default=True,
        metavar="SIZE",
        help="Memory for what waits for one shadow of one charge point; beyond it, CALLs are not mirrored.",
    ),
)


def shadow_options[F: Any](command: F) -> F:
    """Add the options about shadows to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def read_shadows(options: dict[str, Any]) -> Any:
    """Return the ShadowOptions of this run, None without shadows. Raises UserMistake for options without effect."""
    from inspector.proxy import tls
    from inspector.proxy.shadows.shadow_options import ShadowOptions, parse_shadow
    from inspector.units import size_bytes

    routes = tuple(parse_shadow(text) for text in options["shadows"])
    queue_bytes = amount("--shadow-queue", options["shadow_queue"], size_bytes, "1MiB or 64KiB")
    if not routes:
        for name in ("shadow_authorization", "shadow_ca"):
            if options[name]:
                raise UserMistake(f"--{name.replace('_', '-')} needs --shadow")
        return None
    secure = any(route.upstream.tls for route in routes)
    if options["shadow_ca"] and not secure:
        raise UserMistake("--shadow-ca needs a shadow with a wss:// address")
    return ShadowOptions(
        routes,
        tls=tls.upstream_context(options["shadow_ca"]) if secure else None,
        pass_authorization=options["shadow_authorization"],
        answering=options["shadow_calls"] == "answer",
        queue_bytes=queue_bytes,
    )


def announce_shadows(shadows: Any) -> None:
    """Print the addresses of all shadows, if there are any."""
    if shadows is not None:
        click.echo(f"mirroring to {', '.join(map(str, shadows.upstreams))}")
        sys.stdout.flush()
