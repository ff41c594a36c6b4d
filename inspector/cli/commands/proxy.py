"""The command `proxy`: reads the options, opens the ports and prints events; `inspector.proxy` relays and records."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from inspector import log_format
from inspector.cli.companions import Companions
from inspector.cli.options.configured_command import ConfiguredCommand
from inspector.cli.options.control_options import ControlPort, control_options
from inspector.cli.options.input_options import METER_KEYS
from inspector.cli.options.option_types import Finite, amount, file_mode
from inspector.cli.options.redaction_options import redaction_arguments, redaction_options
from inspector.cli.options.shadow_options import announce_shadows, read_shadows, shadow_options
from inspector.cli.process_setup import LOG_FORMAT, allow_many_files, log_with
from inspector.cli.service_notices import ServiceNotices
from inspector.cli.stopping import Stopping
from inspector.errors import UnusableFile, UserMistake
from inspector.proxy.addresses import (
    Upstream,
    bracketed,
    listening_socket,
    listening_sockets,
    parse_listen,
    reached_at,
    refuse_loop,
)

FILE = click.Path(path_type=Path, dir_okay=False)


def show_interventions(context: click.Context, _: click.Parameter, text: str | None) -> str | None:
    """Print the rule files that come with the program for `--interventions list` and exit."""
    if text == "list" and not context.resilient_parsing:
        from inspector.interventions import shipped

        known = shipped.names()
        width = max(map(len, known))
        for name, said in known.items():
            click.echo(f"{name:<{width}}  {said}")
        context.exit()
    return text


@click.command(
    cls=ConfiguredCommand,
    epilog="""\b
Example:
  chargesentinel proxy --upstream ws://127.0.0.1:9000/ocpp --listen 0.0.0.0:9100 --db traffic.db

\b
Then set the CSMS address in the charge point to ws://THIS-MACHINE:9100/<its id>.""",
)
@click.option("--upstream", required=True, metavar="URL", help="Address of the CSMS: ws[s]://HOST[:PORT][/PATH].")
@click.option(
    "--listen",
    multiple=True,
    metavar="[HOST:]PORT",
    default=["127.0.0.1:9100"],
    show_default=True,
    help="Address for charge points; repeatable. Port 0 is any free port, 0.0.0.0 is every network.",
)
@click.option(
    "--db",
    "path",
    type=FILE,
    default=Path("traffic.db"),
    show_default=True,
    help="Recording to write; an existing one is continued.",
)
@click.option(
    "--ocpp",
    "ocpp_version",
    type=click.Choice(["1.6", "2.0.1", "2.1"]),
    help="OCPP version of charge points that agree on no subprotocol. [default: found in their messages]",
)
@click.option(
    "--route",
    "routes",
    multiple=True,
    metavar="PATTERN=URL",
    help="Another CSMS for some charge points: /PATH=URL by path prefix, CP-*=URL by id. The first match wins.",
)
@shadow_options
@click.option("--rewrite-host", is_flag=True, help="Send the name of the CSMS as Host, which virtual hosts need.")
@click.option("--tls-cert", type=FILE, help="Listen with TLS (wss://) with this certificate chain (PEM).")
@click.option("--tls-key", type=FILE, help="Private key of --tls-cert, if it is not in the same file.")
@click.option("--client-ca", type=FILE, help="Demand client certificates of this CA (security profile 3).")
@click.option("--upstream-ca", type=FILE, help="Trust this CA for wss:// CSMSs, instead of the system's CAs.")
@click.option("--upstream-cert", type=FILE, help="Client certificate for the CSMS.")
@click.option("--upstream-key", type=FILE, help="Private key of --upstream-cert, if it is not in the same file.")
@click.option("--upstream-insecure", is_flag=True, help="Do not verify the CSMS's certificate. For tests only.")
@click.option(
    "--upstream-identities", type=FILE, help="TOML file with a password or client certificate for each charge point."
)
@click.option(
    "--max-connections",
    default=10_000,
    show_default=True,
    type=click.IntRange(1),
    help="Connections; more are refused with 503.",
)
@click.option(
    "--max-frame-size",
    default=16 * 1024 * 1024,
    show_default=True,
    type=click.IntRange(1024),
    help="Bytes of a message; longer ones are relayed but not stored.",
)
@click.option(
    "--handshake-timeout",
    default=30.0,
    show_default=True,
    type=Finite(0.1),
    help="Seconds that a charge point has for TLS and for its request.",
)
@click.option(
    "--connect-timeout",
    default=10.0,
    show_default=True,
    type=Finite(0.1),
    help="Seconds that the CSMS has to accept a connection; then the charge point gets 502.",
)
@click.option(
    "--interventions",
    metavar="FILE|NAME",
    callback=show_interventions,
    help="TOML file with faults to inject (delay, drop, edit, hold and more), or the name of one that comes with the"
    " program: `list` prints these.",
)
@control_options
@click.option("--rules", type=FILE, help="TOML file with severities, thresholds, allowances and values to hide.")
@METER_KEYS
@redaction_options()
@click.option(
    "--queue-limit",
    default="256MiB",
    show_default=True,
    metavar="SIZE",
    help="Memory for frames while the disk cannot write; beyond it, frames are relayed but lost.",
)
@click.option(
    "--require-recording",
    is_flag=True,
    help="Relay only what is stored: wait for a slow disk, and close sessions (1011) if it fails.",
)
@click.option(
    "--rotate",
    metavar="SIZE|AGE|day",
    help="Begin a new file at 500MB, after 24h or at midnight UTC (day); --db becomes a link to the newest.",
)
@file_mode()
@click.option("--metrics", metavar="[HOST:]PORT", help="Serve /metrics (Prometheus) and /healthz here.")
@click.option(
    "--metrics-charge-points",
    type=click.IntRange(0, 10_000),
    default=0,
    show_default=True,
    help="Number of charge points that get their own metrics; all others share one set.",
)
@click.option(
    "--allow-host",
    "allow_hosts",
    multiple=True,
    metavar="NAME",
    help="Another host name under which /metrics and --control answer.",
)
@click.option(
    "--alerts",
    "alerts_file",
    type=FILE,
    help="Send the alerts in this TOML file to webhooks and commands; see docs/alerts.md.",
)
@click.option("--otlp", metavar="URL", help="Send spans to this OpenTelemetry collector; see docs/metrics.md.")
@click.option("--quiet", "-q", is_flag=True, help="Do not print connects, disconnects, refusals and new findings.")
@LOG_FORMAT
@click.option("--no-fast-path", is_flag=True, help="Use only mitmproxy's public hooks: slower, and without limits.")
def proxy(upstream: str, listen: tuple[str, ...], path: Path, routes: tuple[str, ...], **options: Any) -> int:
    """Relay charge points to a CSMS and record every frame.

    Bytes pass unchanged in both directions. Ctrl-C ends the proxy: both peers get a close frame, and the last frames
    are stored. Exit code 1: some frames could not be stored.
    """
    from inspector.interventions.interventions import Interventions
    from inspector.interventions.rules_file import load as load_interventions
    from inspector.interventions.shipped import find as find_interventions
    from inspector.proxy import loop
    from inspector.proxy.console import Console
    from inspector.proxy.routing import Route, Routing, read_identities
    from inspector.proxy.settings import Settings
    from inspector.recorder.start import start_recorder
    from inspector.rules.settings_file import judging, settings_file
    from inspector.store.files.rotation import Rotation
    from inspector.units import size_bytes

    log_handler = log_format.start(options["log_format"])
    identities_file = options["upstream_identities"]
    routing = Routing(
        Upstream.parse(upstream),
        tuple(Route.parse(text) for text in routes),
        read_identities(identities_file) if identities_file else {},
    )
    interventions = find_interventions(options["interventions"]) if options["interventions"] else None
    control = ControlPort.from_options(options, path)
    in_force = Interventions(load_interventions(interventions), interventions) if interventions else None
    queue_limit = amount("--queue-limit", options["queue_limit"], size_bytes, "64MiB or 1GB")
    if options["rotate"]:
        Rotation.parse(options["rotate"])
    settings = Settings(
        routing,
        ocpp_version=options["ocpp_version"],
        rewrite_host=options["rewrite_host"],
        fast_path=not options["no_fast_path"],
        listener_tls=listener_tls(options),
        upstream_tls=upstream_tls(options, routing),
        upstream_ca=options["upstream_ca"],
        upstream_cert=options["upstream_cert"],
        upstream_key=options["upstream_key"],
        upstream_insecure=options["upstream_insecure"],
        require_recording=options["require_recording"],
        queue_limit=queue_limit,
        max_connections=options["max_connections"],
        max_frame_size=options["max_frame_size"],
        handshake_timeout=options["handshake_timeout"],
        connect_timeout=options["connect_timeout"],
        allowed_hosts=options["allow_hosts"],
        interventions=in_force or (Interventions() if control else None),
        control_token=control.token if control else None,
        shadows=read_shadows(options),
    )
    rules = settings_file(options["rules"])
    redaction = redaction_arguments(options["redact"], options["redact_key"], rules)
    companions = Companions(path, options)
    notices = ServiceNotices()
    log_with(log_handler)
    allow_many_files()
    sockets = listening_sockets(listen)
    addresses = [listener.getsockname()[:2] for listener in sockets]
    metrics = listening_socket(*parse_listen(options["metrics"]), option="--metrics") if options["metrics"] else None
    if control is not None:
        control.listen()
    for target in [*routing.upstreams, *(settings.shadows.upstreams if settings.shadows else ())]:
        refuse_loop(target, addresses)
    # Look up the addresses before the engine starts: mitmproxy replaces these listeners with its own.
    listening = [(bracketed(host), port, reached_at(one)) for one, (host, port) in zip(sockets, addresses, strict=True)]
    recorder = start_recorder(
        path,
        holder="chargesentinel proxy",
        listen=" ".join(f"{bracketed(host)}:{port}" for host, port in addresses),
        upstream=" ".join(map(str, routing.upstreams)),
        settings=judging(rules, options["keys_file"]),
        redaction=redaction,
        queue_limit=queue_limit,
        own_process=True,
        rotate=options["rotate"],
        lossless=options["require_recording"],
        file_mode=options["file_mode"],
        meanwhile=_import_engine,
        counted=options["metrics_charge_points"] if metrics else None,
    )
    from inspector.proxy.engine import Engine

    console = Console(_drop if options["quiet"] else _print_line, reasons=redaction.get("level") != "personal")
    stopping = Stopping()

    async def run() -> None:
        def stop() -> None:
            notices.stopping()
            engine.stop()

        engine = Engine(settings, recorder, sockets, metrics, console, control.listener if control else None)
        stopping.listen(partial(asyncio.get_running_loop().call_soon_threadsafe, stop))
        await engine.run(ready)

    def ready() -> None:
        scheme = "wss" if settings.listener_tls else "ws"
        if control is not None:
            control.announce()
        announce(scheme, listening, routing.upstreams, path, metrics)
        announce_shadows(settings.shadows)
        notices.ready()

    # The existing objects are needed until the end: exempt them from garbage collection.
    gc.collect()
    gc.freeze()
    try:
        companions.start()
        loop.run(run())
    finally:
        for listener in [*sockets, *([metrics] if metrics else [])]:
            listener.close()
        if control is not None:
            control.close()
        summary = recorder.close(progress=stopping.report)
        console.close()
        companions.close()
    click.echo(f"recorded in {path}: {summary}")
    gc.freeze()  # makes the exit of the interpreter fast
    return 1 if summary.lost else 0


def _import_engine() -> None:
    """Import the engine, which takes as long as a recorder process takes to start."""
    from inspector.proxy.needed_addons import no_other_addons

    with no_other_addons():
        from inspector.proxy import acceptor, engine, fastpath  # noqa: F401


def _print_line(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _drop(line: str) -> None:
    """Ignore a line, for --quiet."""


def listener_tls(options: dict[str, Any]) -> ssl.SSLContext | None:
    """Return the TLS context of the listeners. Raises UserMistake for options that need --tls-cert."""
    from inspector.proxy import tls

    if options["tls_cert"] is None:
        for name in ("tls_key", "client_ca"):
            if options[name] is not None:
                raise UserMistake(f"--{name.replace('_', '-')} needs --tls-cert")
        return None
    return tls.listener_context(options["tls_cert"], options["tls_key"], options["client_ca"])


def upstream_tls(options: dict[str, Any], routing: Any) -> Any:
    """Return the TLS contexts for connections to CSMSs; None if no CSMS has a wss:// address.

    Raises UserMistake for options that have no effect.
    """
    from inspector.proxy import tls
    from inspector.proxy.routing import UpstreamTls

    if not any(one.tls for one in routing.upstreams):
        for name in ("upstream_ca", "upstream_cert", "upstream_key", "upstream_insecure"):
            if options[name]:
                raise UserMistake(f"--{name.replace('_', '-')} needs a CSMS with a wss:// address")
        for charge_point_id, identity in routing.identities.items():
            if identity.cert:
                raise UnusableFile(
                    options["upstream_identities"],
                    f"the cert of [{charge_point_id!r}] needs a CSMS with a wss:// address",
                )
        return None
    if options["upstream_key"] and not options["upstream_cert"]:
        raise UserMistake("--upstream-key needs --upstream-cert")
    if options["upstream_ca"] and options["upstream_insecure"]:
        raise UserMistake("--upstream-ca has no effect with --upstream-insecure; leave one of them out")
    ca, insecure = options["upstream_ca"], options["upstream_insecure"]
    if insecure:
        click.echo("WARNING: --upstream-insecure: the proxy does not check who the CSMS is", err=True)
    common = tls.upstream_context(ca, options["upstream_cert"], options["upstream_key"], insecure=insecure)
    own = {
        charge_point_id: tls.upstream_context(ca, identity.cert, identity.key, insecure=insecure)
        for charge_point_id, identity in routing.identities.items()
        if identity.cert
    }
    return UpstreamTls(common, own)


def announce(
    scheme: str,
    listening: list[tuple[str, int, list[str]]],
    upstreams: list[Upstream],
    path: Path,
    metrics: socket.socket | None,
) -> None:
    """Print the listeners and the addresses to enter in a charge point; `listening` has (host, port, LAN addresses)."""
    for host, port, elsewhere in listening:
        click.echo(f"listening on {scheme}://{host}:{port}")
        if host in ("0.0.0.0", "[::]"):
            for address in elsewhere or [socket.gethostname()]:
                click.echo(f"  in the charge point, set the CSMS to {scheme}://{address}:{port}/<charge point id>")
        elif host in ("127.0.0.1", "[::1]", "localhost"):
            click.echo(f"  only this machine can connect; for charge points in the network use --listen 0.0.0.0:{port}")
    if metrics is not None:
        host, port = metrics.getsockname()[:2]
        click.echo(f"metrics at http://{bracketed(host)}:{port}/metrics, health at /healthz")
    click.echo(f"relaying to {', '.join(map(str, upstreams))}, recording in {path}")
    sys.stdout.flush()
