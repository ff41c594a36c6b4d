"""The command `certificates`: issues certificates for a test bench with `inspector.proxy.certificates`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from inspector.proxy.addresses import lan_addresses


@click.command(
    epilog="""\b
Example:
  chargesentinel certificates bench --charge-point CP001
  chargesentinel proxy --upstream ws://127.0.0.1:9000 --listen 0.0.0.0:9443 \\
      --tls-cert bench/server.pem --tls-key bench/server.key --client-ca bench/ca.pem

\b
Install ca.pem in the charge point as trusted CA, and CP001.pem with CP001.key
as its own certificate. Run the command again to issue more from the same CA."""
)
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--host",
    "hosts",
    multiple=True,
    help="Name or address of the proxy. [default: all names and addresses of this machine]",
)
@click.option(
    "--charge-point",
    "charge_points",
    multiple=True,
    metavar="ID",
    help="Issue a client certificate for this charge point.",
)
@click.option(
    "--days",
    default=825,
    show_default=True,
    type=click.IntRange(1, 3650),
    help="Days until the certificates expire.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the file names as one JSON object.")
def certificates(
    directory: Path, hosts: tuple[str, ...], charge_points: tuple[str, ...], days: int, as_json: bool
) -> None:
    """Make a CA and certificates for a test bench.

    With them you can try OCPP's security profiles 2 and 3. Do not use them for charge points in the field.
    """
    from inspector.proxy.certificates import Authority

    authority = Authority(directory, days)
    names = list(hosts) or ["localhost", "127.0.0.1", "::1", *lan_addresses()]
    issued = {"ca": authority.ca, "server": authority.server(names)}
    issued |= {charge_point_id: authority.client(charge_point_id) for charge_point_id in charge_points}
    if as_json:
        click.echo(json.dumps({name: {"cert": str(one.cert), "key": str(one.key)} for name, one in issued.items()}))
        return
    for name, one in issued.items():
        until = one.certificate.not_valid_after_utc.date()
        about = f" for {', '.join(names)}" if name == "server" else ""
        click.echo(f"{one.cert} and {one.key.name}{about}, valid until {until}")
