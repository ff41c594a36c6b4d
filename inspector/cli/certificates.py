"""The command `certificates`: knows its options and what to print; the X.509 is in `inspector.proxy.certificates`."""

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
Give the charge point ca.pem to trust, and CP001.pem with CP001.key to show.
Run it again to issue more from the same authority."""
)
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--host", "hosts", multiple=True, help="A name or address of the proxy. Default: all of this machine.")
@click.option("--charge-point", "charge_points", multiple=True, metavar="ID", help="Issue a client certificate.")
@click.option("--days", default=825, show_default=True, type=click.IntRange(1, 3650), help="How long they are valid.")
@click.option("--json", "as_json", is_flag=True, help="Print the files as one JSON object.")
def certificates(
    directory: Path, hosts: tuple[str, ...], charge_points: tuple[str, ...], days: int, as_json: bool
) -> None:
    """Make a CA, a server certificate and client certificates for a test bench.

    They are for trying OCPP's security profiles 2 and 3, not for charge points in the street.
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
