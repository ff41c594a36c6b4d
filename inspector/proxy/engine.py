"""Run mitmproxy in this process: start it, relay, and close all sessions at the end."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Protocol

from mitmproxy import version
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.master import Master
from mitmproxy.options import Options

from inspector.errors import ChargeSentinelError, SettingsMistake, UnusableAddress, UserMistake
from inspector.interventions.interventions import Interventions
from inspector.proxy.addon import RecordingAddon
from inspector.proxy.addresses import bracketed
from inspector.proxy.console import Console
from inspector.proxy.live_sessions import LiveSessions
from inspector.proxy.metrics import MetricsServer
from inspector.proxy.needed_addons import no_other_addons
from inspector.proxy.require_recording import RecordingGuard
from inspector.proxy.safe_log import safe
from inspector.proxy.settings import Settings
from inspector.recorder.recorder import Recorder

if TYPE_CHECKING:
    from inspector.proxy.control.server import ControlServer

logger = logging.getLogger(__name__)

NEVER = 10**9
"""A timeout in seconds: charge points may be silent for days, and mitmproxy's tcp_timeout cannot be switched off."""

REREAD_S = 1.0
"""How often the proxy looks whether the file of interventions has changed."""

DRAIN_SECONDS = 1.0
"""How long peers have to answer the proxy's close frame; a stop should take less than 3 s."""


class Engine:
    """One run of the proxy: listens, relays and records until `stop` is called, then closes all sessions."""

    def __init__(
        self,
        settings: Settings,
        recorder: Recorder,
        sockets: list[socket.socket],
        metrics: socket.socket | None = None,
        console: Console | None = None,
        control: socket.socket | None = None,
    ) -> None:
        """Prepare a run; `console` prints events.

        `metrics` is the listening socket for /metrics, `control` that of the control port; both may be None.
        """
        self._console = console
        self._control = control
        self.metrics = metrics
        self.settings = settings
        self._recorder = recorder
        self.sockets = sockets
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Ask `run` to close all sessions and return."""
        self._stop.set()

    async def run(self, ready: Callable[[], None]) -> None:
        """Relay until `stop` is called; call `ready` once every listener accepts connections."""
        started = asyncio.Event()
        master = Master(Options(mode=[]))
        proxyserver = Proxyserver()
        relay = self._relay(master, proxyserver)
        self.recording = relay.recording
        master.addons.add(proxyserver, *relay.addons, self.recording, Started(started))
        master.options.update(
            websocket=False,
            rawtcp=True,
            connection_strategy="lazy",
            keep_host_header=True,
            tcp_timeout=NEVER,
            validate_inbound_headers=False,
            body_size_limit="1m",
        )
        running = asyncio.create_task(master.run())
        try:
            up = asyncio.create_task(started.wait())
            await asyncio.wait({up, running}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                up.cancel()
                running.result()
                raise ChargeSentinelError("mitmproxy ended while it started")
            await relay.listen(self.sockets)
            if self.metrics is not None:
                watching = MetricsServer(
                    self.metrics,
                    relay.recording.counts,
                    lambda: len(relay.recording.sessions),
                    self._recorder.status,
                    self.settings.allowed_hosts,
                    lambda: sum(tap.edited is not None for tap in relay.recording.sessions.values()),
                    relay.recording.shadows.counts.families if relay.recording.shadows is not None else None,
                )
                await watching.start()
            self._recorder.when_behind(relay.recording.pace)
            if self._console is not None:
                relay.recording.console = self._console
                if relay.recording.shadows is not None:
                    relay.recording.shadows.console = self._console
                self._recorder.on_findings = self._console.found
            if self.settings.require_recording:
                guard = RecordingGuard(
                    relay.recording,
                    self._recorder.status,
                    self.settings.queue_limit,
                    self.settings.recorder_dead_after,
                )
                self._watching = asyncio.create_task(guard.run())
            controlling = await self._control_sessions(relay.recording)
            ready()
            await self._stop.wait()
            relay.stop_listening()
            if controlling is not None:
                await controlling.stop()
            await self._say_goodbye()
            relay.close_all()
            await self._until(lambda: not self.recording.sessions, 0.3)
            if self.recording.shadows is not None:
                await self.recording.shadows.stop()
        finally:
            master.shutdown()
            await running

    async def _control_sessions(self, recording: RecordingAddon) -> ControlServer | None:
        """Apply rules to running sessions as they change, and open the control port, if there is one."""
        interventions = self.settings.interventions
        if interventions is None:
            return None
        live = LiveSessions(recording, interventions)
        self._reading = asyncio.create_task(self._reread(interventions))
        if self._control is None:
            return None
        from inspector.proxy.control.server import ControlServer

        assert self.settings.control_token is not None
        upstream = ", ".join(map(str, self.settings.routing.upstreams))
        server = ControlServer(self._control, live, upstream, self.settings.control_token, self.settings.allowed_hosts)
        await server.start()
        return server

    def _relay(self, master: Master, proxyserver: Proxyserver) -> Relay:
        if self.settings.fast_path:
            try:
                with no_other_addons():
                    from inspector.proxy import acceptor, fastpath

                missing = fastpath.missing_names()
            except ImportError as error:
                missing = [str(error)]
            if not missing:
                return acceptor.FastRelay(master, proxyserver, self._recording(), self.settings)
            logger.warning(
                "mitmproxy %s lacks %s: using its public hooks alone, which is several times slower",
                version.VERSION,
                ", ".join(missing),
            )
        return PublicRelay(master, proxyserver, self._recording(tls_by_mitmproxy=True), self.settings)

    def _recording(self, *, tls_by_mitmproxy: bool = False) -> RecordingAddon:
        settings = self.settings
        return RecordingAddon(
            self._recorder,
            routing=settings.routing,
            tls_by_mitmproxy=tls_by_mitmproxy,
            ocpp_version=settings.ocpp_version,
            max_frame_size=settings.max_frame_size,
            rewrite_host=settings.rewrite_host,
            interventions=settings.interventions,
            shadows=settings.shadows,
        )

    @staticmethod
    async def _reread(interventions: Interventions) -> None:
        """Read the file of interventions again whenever it changes; a mistake in it is logged."""
        while True:
            await asyncio.sleep(REREAD_S)
            try:
                if (what := interventions.reread()) is not None:
                    logger.info("%s", *safe(what))
            except SettingsMistake as mistake:
                logger.warning("keeping the interventions as they were: %s", *safe(str(mistake)))

    async def _say_goodbye(self) -> None:
        """Close every session with code 1001 (RFC 6455 section 7.4.1) and wait for the peers to answer."""
        sessions = list(self.recording.sessions.values())
        for session in sessions:
            session.go_away(1001, "the recording proxy is stopping")
        await self._until(lambda: all(session.said_goodbye for session in sessions), DRAIN_SECONDS)

    @staticmethod
    async def _until(done: Callable[[], bool], seconds: float) -> None:
        deadline = asyncio.get_running_loop().time() + seconds
        while not done() and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.01)


class Relay(Protocol):
    """The part that accepts connections and relays: the fast path, or mitmproxy's own layers."""

    addons: list[object]
    recording: RecordingAddon

    async def listen(self, sockets: list[socket.socket]) -> None:
        """Accept charge points on `sockets`. Raises UnusableAddress."""

    def stop_listening(self) -> None:
        """Accept no new connections."""

    def close_all(self) -> None:
        """End every remaining connection."""


LIMITS = ("max_connections", "handshake_timeout", "connect_timeout")
"""Settings that only the fast path supports."""


class PublicRelay:
    """Relays with mitmproxy's own listeners and layers, through public names only."""

    def __init__(self, master: Master, proxyserver: Proxyserver, recording: RecordingAddon, settings: Settings) -> None:
        """Prepare the relay. Raises UserMistake for settings that need the fast path.

        Limits need it too, but raise UserMistake only if the user disabled it: if the installed mitmproxy cannot have
        it, the proxy relays without limits.
        """
        needs = []
        if settings.listener_tls:
            needs.append("--tls-cert")
        if settings.upstream_tls and settings.upstream_tls.own:
            needs.append("client certificates of --upstream-identities")
        if settings.interventions is not None:
            needs.append("--control" if settings.control_token else "--interventions")
        if settings.upstream_key:
            needs.append("--upstream-key in a file of its own")
        limits = {name: f"--{name.replace('_', '-')} {getattr(settings, name):.10g}" for name in LIMITS}
        if settings.fast_path:
            logger.warning("without the fast path there are no limits: ignoring %s", ", ".join(limits.values()))
        else:
            # Report only limits that the user has probably set, as they differ from their defaults.
            usual = {one.name: one.default for one in fields(Settings)}
            needs += [said for name, said in limits.items() if getattr(settings, name) != usual[name]]
        if needs:
            raise UserMistake(
                f"mitmproxy {version.VERSION} cannot do this without the fast path: {', '.join(needs)}; "
                + ("install mitmproxy>=12,<13" if settings.fast_path else "leave out --no-fast-path")
            )
        self._master, self._proxyserver, self._settings = master, proxyserver, settings
        self.recording = recording
        from mitmproxy.addons.next_layer import NextLayer
        from mitmproxy.addons.tlsconfig import TlsConfig

        self.addons: list[object] = [NextLayer(), TlsConfig()]

    async def listen(self, sockets: list[socket.socket]) -> None:
        settings = self._settings
        default = settings.routing.default
        modes = []
        for listener in sockets:
            host, port = listener.getsockname()[:2]
            if host == "::" and not listener.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
                host = ""  # in mitmproxy this includes IPv4
            modes.append(f"reverse:http://{bracketed(default.host)}:{default.port}@{host}:{port}")
            listener.close()
        self._master.options.update(
            mode=modes,
            ssl_insecure=settings.upstream_insecure,
            ssl_verify_upstream_trusted_ca=str(settings.upstream_ca) if settings.upstream_ca else None,
            client_certs=str(settings.upstream_cert) if settings.upstream_cert else None,
        )
        await self._proxyserver.setup_servers()
        for instance in self._proxyserver.servers:
            if not instance.is_running:
                raise UnusableAddress(instance.mode.full_spec, f"cannot listen on it: {instance.last_exception}")

    def stop_listening(self) -> None:
        self._master.options.update(server=False)

    def close_all(self) -> None:
        # Connections end with the event loop: mitmproxy has no public way to end one.
        pass


class Started:
    """Set an event when mitmproxy calls the public hook `running`, after its start."""

    def __init__(self, event: asyncio.Event) -> None:
        self._event = event

    def running(self) -> None:
        self._event.set()
