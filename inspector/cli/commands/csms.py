"""The command `csms`: reads the options and runs the CSMS of the package `csms`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import click

from inspector.cli.options.option_types import Origin, file_mode
from inspector.errors import UserMistake
from inspector.proxy.addresses import bracketed, lan_addresses

EPILOG = """\b
Examples:
  chargesentinel csms
  chargesentinel csms --listen 0.0.0.0:9000 --db csms.db
  chargesentinel csms --security-profile 2 --tls-cert csms.pem --config bench.toml

A charge point connects to ws://HOST:PORT/ITS-IDENTITY.
"""
EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)


class Address(click.ParamType[tuple[str, int]]):
    """An address to listen on, as `[HOST:]PORT`; the default host is 127.0.0.1."""

    name = "[HOST:]PORT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        host, _, port = str(value).rpartition(":")
        if not (port.isascii() and port.isdecimal()) or int(port) > 65535:
            self.fail(f"expected [HOST:]PORT, such as 9000 or 0.0.0.0:9000, not {value!r}", param, ctx)
        return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


def announce(line: str) -> None:
    """Print a ready line and, for a wildcard address, the addresses to use from other machines."""
    click.echo(line)
    for wildcard, ipv6 in (("0.0.0.0", False), ("[::]", False), ("[::]", True)):
        if f"://{wildcard}:" in line:
            url = line.rsplit(maxsplit=1)[-1] + ("/<identity>" if line.startswith("csms") else "")
            for address in map(bracketed, lan_addresses(ipv6=ipv6)):
                click.echo(f"  from other machines: {url.replace(wildcard, address)}")
    sys.stdout.flush()


@click.command(epilog=EPILOG)
@click.option(
    "--listen",
    type=Address(),
    default="127.0.0.1:9000",
    show_default=True,
    help="Where charge points connect; port 0 takes any free one.",
)
@click.option(
    "--db",
    type=click.Path(dir_okay=False, path_type=Path),
    help="SQLite file that keeps the state; without it, the state is lost at the end.",
)
@file_mode("Permissions of --db and the files beside it")
@click.option(
    "--config",
    type=EXISTING,
    help="TOML file with charge points, id tokens and misbehaviours.",
)
@click.option("--page", type=Address(), help="Address of the operator's page and API. [default: 127.0.0.1:9001]")
@click.option("--no-page", is_flag=True, help="Do not serve the operator's page.")
@click.option(
    "--page-token",
    envvar="CHARGESENTINEL_CSMS_TOKEN",
    help="Token of page and API; random if the page is not on loopback.",
)
@click.option(
    "--heartbeat",
    type=click.IntRange(1, 86400),
    default=300,
    show_default=True,
    help="Heartbeat interval in seconds.",
)
@click.option(
    "--boot",
    type=click.Choice(["Accepted", "Pending", "Rejected"]),
    default="Accepted",
    show_default=True,
    help="Answer to BootNotification.",
)
@click.option(
    "--unknown-tokens",
    type=click.Choice(["Accepted", "Blocked", "Expired", "Invalid"]),
    default="Accepted",
    show_default=True,
    help="Status of id tokens that were never added.",
)
@click.option(
    "--unknown-charge-points",
    type=click.Choice(["accept", "refuse"]),
    default="accept",
    show_default=True,
    help="Charge points that were never added and never seen.",
)
@click.option(
    "--security-profile",
    type=click.IntRange(0, 3),
    default=0,
    show_default=True,
    help="1: password, 2: TLS and password, 3: TLS and client certificate.",
)
@click.option("--tls-cert", type=EXISTING, help="The CSMS's certificate chain in PEM, for profiles 2 and 3.")
@click.option("--tls-key", type=EXISTING, help="Its key in PEM, unless --tls-cert contains it.")
@click.option("--client-ca", type=EXISTING, help="CA of the client certificates in PEM, for profile 3.")
@click.option("--sign-with", type=EXISTING, help="Certificate and key in PEM of the CA that answers SignCertificate.")
@click.option(
    "--contract-ca",
    type=EXISTING,
    help="CAs of contract certificates in PEM, the first with its key. [default: a new CA]",
)
@click.option("--tariffs", type=EXISTING, help="TOML file with tariffs; transactions of 2.x then get their totalCost.")
@click.option(
    "--allow-origin",
    "allow_origins",
    multiple=True,
    type=Origin(),
    help="Let web pages of this origin connect; * means all. [default: pages of this machine]",
)
@click.option("--quiet", "-q", is_flag=True, help="Log warnings only.")
def csms(listen: tuple[str, int], page: tuple[str, int] | None, no_page: bool, quiet: bool, **options: Any) -> None:
    """Run the reference CSMS: OCPP 1.6, 2.0.1 and 2.1 on one port.

    The version follows from the WebSocket subprotocol: ocpp1.6, ocpp2.0.1 or ocpp2.1.
    """
    from csms import log
    from csms.central_system import run
    from csms.configuration import PageAddress, Settings, load
    from csms.errors import CsmsMistake
    from csms.prices import load as load_prices
    from csms.security import Security

    if page is not None and no_page:
        raise click.UsageError("--page and --no-page cannot be used together")
    page_address = PageAddress(*page, explicit=True) if page is not None else PageAddress()
    try:
        prices = load_prices(options["tariffs"]) if options["tariffs"] else None
    except CsmsMistake as mistake:
        raise UserMistake(str(mistake)) from None
    settings = Settings(
        db=options["db"],
        file_mode=options["file_mode"],
        heartbeat_s=options["heartbeat"],
        boot=options["boot"],
        unknown_tokens=options["unknown_tokens"],
        unknown_charge_points=options["unknown_charge_points"] == "accept",
        sign_with=options["sign_with"],
        contract_ca=options["contract_ca"],
        prices=prices,
        allow_origins=options["allow_origins"],
        security=Security(options["security_profile"], options["tls_cert"], options["tls_key"], options["client_ca"]),
    )
    log.start(quiet)
    try:
        asyncio.run(
            run(
                *listen,
                settings,
                announce,
                configuration=load(options["config"]) if options["config"] else None,
                page=None if no_page else page_address,
                page_token=options["page_token"],
            )
        )
    except CsmsMistake as mistake:
        raise UserMistake(str(mistake)) from None
