"""The recording addon: watches sessions through mitmproxy's public hooks and changes nothing.

`chargesentinel proxy` loads it, and users of mitmproxy can load it too:

    mitmdump -s "$(python -m inspector.proxy.addon)" --mode reverse:http://csms:8080@9000 --set ocpp_db=traffic.db
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from itertools import count
from pathlib import Path
from time import monotonic, monotonic_ns, time_ns
from typing import TYPE_CHECKING, Any

from mitmproxy import connection, ctx, exceptions, http, tcp
from mitmproxy.addonmanager import Loader

from inspector import records
from inspector.errors import UserMistake
from inspector.interventions.interventions import Interventions
from inspector.proxy import edited_flow
from inspector.proxy.addresses import Upstream, bracketed
from inspector.proxy.connection_facts import REASON_SHOWN, address, tls_facts, without_quotes
from inspector.proxy.console import Console
from inspector.proxy.counters import Counts
from inspector.proxy.routing import Routing
from inspector.proxy.safe_log import safe
from inspector.proxy.session_tap import SessionTap
from inspector.proxy.shadows.shadow_options import ShadowOptions
from inspector.recorder.recorder import Recorder
from inspector.redaction import handshake, sensitive_names
from inspector.redaction.pseudonyms import read_key
from inspector.redaction.redactor import LEVELS

if TYPE_CHECKING:
    from inspector.proxy.shadows.shadows import Shadows

logger = logging.getLogger(__name__)

MAX_FRAME_SIZE = 16 * 1024 * 1024
"""In bytes. To bound the memory, a longer message is relayed but recorded as a gap."""

_BODY_SHOWN = 4096
_ROUTE = "chargesentinel.upstream"
_PATH = "chargesentinel.path"
_HEADERS = "chargesentinel.headers"
_ANSWERED = "chargesentinel.answered"
_RULES = "chargesentinel.rules"


class RecordingAddon:
    """Send handshakes, frames and the ends of sessions to the recorder.

    Without a recorder, as in mitmdump, it starts one that writes to the file of the option `ocpp_db`.
    """

    name = "chargesentinel"

    def __init__(
        self,
        recorder: Recorder | None = None,
        *,
        routing: Routing | None = None,
        tls_by_mitmproxy: bool = False,
        ocpp_version: str | None = None,
        max_frame_size: int = MAX_FRAME_SIZE,
        rewrite_host: bool = False,
        interventions: Interventions | None = None,
        shadows: ShadowOptions | None = None,
    ) -> None:
        self.recorder = recorder
        self.sessions: dict[str, SessionTap] = {}
        self._by_number: dict[int, SessionTap] = {}
        self.max_frame_size = max_frame_size
        self._embedded = recorder is not None
        self.bound: dict[str, tuple[str, Upstream]] = {}
        """(charge point id, CSMS) of each connection by mitmproxy's client id, once it has sent a request."""
        self._routing = routing
        self._tls_by_mitmproxy = tls_by_mitmproxy
        self._ocpp_version = ocpp_version
        self._rewrite_host = rewrite_host
        self._interventions = interventions
        self.counts = Counts()
        self._paced: set[int] = set()  # sessions that wait for the recorder, by number
        self.console: Console | None = None
        """Prints events. None in mitmdump, where they are logged."""
        self.refusing: Callable[[], str | None] = lambda: None
        """Returns why no new session may be opened now, None while sessions may."""
        self.on_taken_over: Callable[[SessionTap], None] = lambda session: None
        """Called with each session that the fast path relays from now on."""
        self._numbers = count(1)
        self.shadows: Shadows | None = None
        if shadows is not None and recorder is not None:
            from inspector.proxy.shadows.shadows import Shadows

            self.shadows = Shadows(shadows, recorder.put, partial(next, self._numbers))
        self._injected: list[bytes] = []
        self._edited: dict[str, edited_flow.EditedFlow] = {}
        """The sessions with interventions in mitmdump, by mitmproxy's client id."""

    # --- set-up -----------------------------------------------------------------------------------------------

    def load(self, loader: Loader) -> None:
        if self._embedded:
            return
        loader.add_option("ocpp_db", str, "traffic.db", "SQLite file to record OCPP traffic in.")
        loader.add_option("ocpp_redact", str, "secrets", "What to hide before storing: secrets, personal or none.")
        loader.add_option("ocpp_redact_key", str, "", "File with the key of pseudonyms; made if it does not exist.")
        loader.add_option("ocpp_rules", str, "", "TOML file with [redact]: more names of values to hide.")
        loader.add_option(
            "ocpp_interventions",
            str,
            "",
            "TOML file with faults to inject, or its name; reset and stall need `chargesentinel proxy`.",
        )
        loader.add_option("ocpp_version", str, "", "OCPP version of charge points without a subprotocol.")

    def configure(self, updated: set[str]) -> None:
        if self._embedded:
            return
        if "ocpp_version" in updated:
            if ctx.options.ocpp_version not in ("", "1.6", "2.0.1", "2.1"):
                raise exceptions.OptionsError("ocpp_version must be 1.6, 2.0.1 or 2.1")
            self._ocpp_version = ctx.options.ocpp_version or None
        if "ocpp_redact" in updated and ctx.options.ocpp_redact not in LEVELS:
            raise exceptions.OptionsError(f"ocpp_redact must be one of {', '.join(LEVELS)}")
        if ctx.options.websocket:
            # mitmproxy's WebSocket layer re-encodes frames and keeps every message; its TCP layer only passes bytes.
            wanted: dict[str, Any] = {"websocket": False, "rawtcp": True, "validate_inbound_headers": False}
            for name, value in (("connection_strategy", "lazy"), ("keep_host_header", True), ("tcp_timeout", 10**9)):
                if not ctx.options.has_changed(name):
                    wanted[name] = value
            ctx.options.update(**wanted)

    def running(self) -> None:
        if self._embedded:
            return
        from inspector.recorder.start import start_recorder

        try:
            if ctx.options.ocpp_interventions:
                self._interventions = edited_flow.interventions_for_hooks(ctx.options.ocpp_interventions)
            self.recorder = start_recorder(
                ctx.options.ocpp_db,
                holder="mitmdump",
                listen=" ".join(ctx.options.mode),
                upstream="mitmproxy",
                redaction=_redaction(),
            )
        except UserMistake as mistake:
            # Relaying without a recording or interventions is not what the user expects, so stop.
            logger.error("not recording, stopping: %s", *safe(str(mistake)))
            ctx.master.shutdown()

    def done(self) -> None:
        for client_id in list(self.sessions):
            self.finish(client_id)
        if not self._embedded and self.recorder is not None:
            logger.info("%s: %s", ctx.options.ocpp_db, self.recorder.close())

    # --- handshake --------------------------------------------------------------------------------------------

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        path = flow.request.path
        headers = flow.request.headers.fields
        flow.metadata[_PATH], flow.metadata[_HEADERS] = handshake.readable(path), headers
        charge_point_id = handshake.charge_point_id(path)
        if self._routing is None:
            self._intervene(flow, charge_point_id)
            return
        if (why := self.refusing()) is not None:
            flow.response = http.Response.make(503, why)
            return
        if self._intervene(flow, charge_point_id):
            return
        upstream = self._routing.upstream(charge_point_id, path)
        flow.metadata[_ROUTE] = upstream
        self.bound[flow.client_conn.id] = charge_point_id, upstream
        flow.request.host, flow.request.port = upstream.host, upstream.port
        if upstream.tls and self._tls_by_mitmproxy:
            flow.request.scheme = "https"
        flow.request.path = upstream.path_for(path)
        flow.request.headers.fields = headers  # setting the host has changed the headers: restore them
        if _RULES in flow.metadata:
            flow.request.headers.pop("Sec-WebSocket-Extensions", None)
        identity = self._routing.identities.get(charge_point_id)
        if identity and identity.authorization:
            flow.request.headers["Authorization"] = identity.authorization
        if self._rewrite_host:
            default = 443 if upstream.tls else 80
            host = bracketed(upstream.host) + ("" if upstream.port == default else f":{upstream.port}")
            flow.request.headers["Host"] = host

    def _intervene(self, flow: http.HTTPFlow, charge_point_id: str) -> bool:
        """Note the interventions for a session; return whether one of them refuses it."""
        if self._interventions is None:
            return False
        rules = self._interventions.rules_of(charge_point_id)
        if (refusal := rules.refusal(monotonic())) is not None:
            flow.response = http.Response.make(refusal[1], f"refused by the intervention {refusal[0]}")
            return True
        if rules.for_frames:
            flow.metadata[_RULES] = rules
            # A compressed frame cannot be changed without compressing all later ones again.
            flow.request.headers.pop("Sec-WebSocket-Extensions", None)
        return False

    def response(self, flow: http.HTTPFlow) -> None:
        assert flow.response is not None
        if self.recorder is None:
            return
        flow.metadata[_ANSWERED] = True
        path = flow.metadata.get(_PATH) or handshake.readable(flow.request.path)
        request = flow.metadata.get(_HEADERS, flow.request.headers.fields)
        response = flow.response.headers.fields
        detail = handshake.described(
            handshake.readable(flow.request.method), path, request, flow.response.status_code, response
        )
        if flow.response.status_code == 101 and handshake.is_upgrade(response):
            session = self._open(flow, path, request)
            session.opened()
            if self.console:
                self.console.connected(session.number, session.facts)
            session.event("handshake", detail)
            if self.shadows is not None:
                self.shadows.opened(session, path, request)
            return
        body = flow.response.raw_content or b""
        detail["body"] = handshake.text(body[:_BODY_SHOWN])
        detail["body_size"] = len(body)
        if upstream := flow.metadata.get(_ROUTE):
            detail["upstream_url"] = handshake.safe_path(f"{upstream}{path}")
        user = handshake.authorization(flow.request.headers.fields).get("auth_user")
        if user is not None and user != detail["charge_point_id"]:
            detail["user_is_id"] = False  # not the name itself: people also enter a password there
        # With --upstream-identities the CSMS gets a different password than the charge point sent: remove both.
        sent = (*request, *flow.request.headers.fields)
        detail = handshake.without_credentials(detail, path, sent)
        self.event_without_session("rejected-upgrade", detail | {"remote_addr": address(flow.client_conn.peername)})
        reason = handshake.without_credentials(flow.response.reason or "", path, sent)
        if self.console is None:
            name, reason = safe(detail["charge_point_id"], reason)
            logger.info("%s: the CSMS answered %d %s to the upgrade", name, flow.response.status_code, reason)

    def error(self, flow: http.HTTPFlow) -> None:
        if self.recorder is None or flow.metadata.get(_ANSWERED):
            return
        path = flow.metadata.get(_PATH) or handshake.readable(flow.request.path)
        detail = handshake.described(handshake.readable(flow.request.method), path, flow.metadata.get(_HEADERS, ()))
        detail["remote_addr"] = address(flow.client_conn.peername)
        reason = str(flow.server_conn.error or (flow.error.msg if flow.error else "unknown"))
        sent = (*flow.metadata.get(_HEADERS, ()), *flow.request.headers.fields)
        detail["reason"] = handshake.without_credentials(without_quotes(reason)[:REASON_SHOWN], path, sent)
        if flow.client_conn.timestamp_end or reason.startswith("Client disconnected"):
            self.event_without_session(
                "fault", detail | {"reason": "the charge point disconnected during the handshake"}
            )
            return
        if flow.request.timestamp_end is None:
            self.event_without_session("fault", detail | {"refused": True})
            if self.console is None:
                logger.warning("%s refused: %s", detail["remote_addr"], *safe(detail["reason"]))
            return
        in_words = {
            "server closed connection": "the CSMS ended the connection without an answer",
            "unexpected server response": "the CSMS ended the connection in the middle of its answer",
        }
        detail["reason"] = in_words.get(detail["reason"], detail["reason"])
        if upstream := flow.metadata.get(_ROUTE):
            detail["upstream"] = str(upstream)
            if "without an answer" in detail["reason"]:
                # With TLS 1.3 a client learns that its certificate was refused only when the connection ends.
                detail["reason"] += "; it may require " + (
                    "another client certificate (--upstream-cert)" if upstream.tls else "TLS (wss://)"
                )
        self.event_without_session("unreachable", detail)
        if self.console is None:
            logger.warning("%s: cannot reach its CSMS: %s", *safe(detail["charge_point_id"], detail["reason"]))

    def _open(self, flow: http.HTTPFlow, path: str, request: handshake.Headers) -> SessionTap:
        assert self.recorder is not None and flow.response is not None
        facts = handshake.session_facts(
            path,
            request,
            flow.response.headers.fields,
            forced_version=self._ocpp_version,
        )
        facts["secrets"] += handshake.credentials(path, flow.request.headers.fields)
        facts["remote_addr"] = address(flow.client_conn.peername)
        upstream = flow.metadata.get(_ROUTE)
        url = f"{upstream}{path}" if upstream else handshake.readable(flow.request.url)
        facts["upstream_url"] = handshake.safe_path(url)
        facts.update(tls_facts(flow.client_conn, flow.server_conn))
        session = SessionTap(next(self._numbers), facts, self.recorder, self.max_frame_size, self.counts)
        if _RULES in flow.metadata and self._interventions is not None:
            facts["relay"] = records.EDITED
            session.edited = self._interventions.edit(flow.metadata[_RULES], facts, session, session.readers)
        self.sessions[flow.client_conn.id] = self._by_number[session.number] = session
        self.counts.sessions += 1
        return session

    # --- frames, as mitmproxy's TCP layer passes them after the 101 -------------------------------------------

    def tcp_start(self, flow: tcp.TCPFlow) -> None:
        if session := self.sessions.get(flow.client_conn.id):
            session.write = partial(self._inject, flow)
            if session.edited is not None and not self._embedded:
                waits = partial(bool, self._injected)
                self._edited[flow.client_conn.id] = edited_flow.EditedFlow(session, session.edited, waits)

    def _inject(self, flow: tcp.TCPFlow, to_charge_point: bool, data: bytes) -> None:
        self._injected.append(data)
        ctx.master.commands.call("inject.tcp", flow, to_charge_point, data)

    def tcp_message(self, flow: tcp.TCPFlow) -> None:
        message = flow.messages[-1]
        if session := self.sessions.get(flow.client_conn.id):
            if any(own is message.content for own in self._injected):
                self._injected[:] = [own for own in self._injected if own is not message.content]
                return
            if (edited := self._edited.get(flow.client_conn.id)) is not None:
                message.content = edited.arrived(message.from_client, message.content)
                del flow.messages[:-1]
                return
            shut = message.from_client in session.shut
            session.feed(message.from_client, message.content, not shut)
            if shut:
                message.content = b""
            # Keep the last message for later addons, such as mitmdump's dumper.
            del flow.messages[:-1]

    def tcp_end(self, flow: tcp.TCPFlow) -> None:
        if flow.client_conn.id in self.sessions:
            flow.messages.clear()

    def client_disconnected(self, client: connection.Client) -> None:
        self.bound.pop(client.id, None)
        session = self.sessions.get(client.id)
        if session and not session.taken_over:
            session.vanished()
            self.finish(client.id)

    # --- also used by the fast path ---------------------------------------------------------------------------

    def pace(self, number: int, waits: bool) -> None:
        """Pause or resume one session, so that its records do not exceed the memory of the recorder."""
        (self._paced.add if waits else self._paced.discard)(number)
        if session := self._by_number.get(number):
            session.hold("pace", waits)

    def taken_over(self, session: SessionTap) -> None:
        """Note that the fast path relays a session and can pause it; pause it now if it has to wait."""
        session.taken_over = True
        session.hold("pace", session.number in self._paced)
        self.on_taken_over(session)

    def finish(self, client_id: str) -> None:
        """Record the end of a client's session, if it has one."""
        if edited := self._edited.pop(client_id, None):
            edited.end()
        if session := self.sessions.pop(client_id, None):
            session.finish()
            if self.shadows is not None:
                self.shadows.ended(session)
            del self._by_number[session.number]
            self._paced.discard(session.number)
            if self.console:
                self.console.gone(session.number, session.facts, session.closing)

    def event_without_session(self, kind: str, detail: dict[str, Any]) -> None:
        """Record an event that belongs to no session, such as a refused handshake or an unreachable CSMS."""
        self.counts.refused[kind] += 1
        if self.console and (kind != "fault" or "refused" in detail):
            self.console.refused(kind, detail)
        if self.recorder is not None:
            self.recorder.put(records.EventRecord(0, time_ns(), monotonic_ns(), kind, detail))


def _redaction() -> dict[str, Any]:
    """Return the arguments of `Redactor` from mitmdump's options. Raises UserMistake."""
    options = ctx.options
    # Do not import `load` by name: mitmproxy would take it for a hook of this module.
    added = sensitive_names.load(Path(options.ocpp_rules)) if options.ocpp_rules else sensitive_names.Additions()
    arguments: dict[str, Any] = {"level": options.ocpp_redact, **asdict(added)}
    if options.ocpp_redact == "personal":
        key = read_key(Path(options.ocpp_redact_key) if options.ocpp_redact_key else None)
        logger.warning("pseudonyms with the key in %s", key.path)
        arguments["key"] = key.key
    return arguments


addons = [RecordingAddon()]

if __name__ == "__main__":
    print(__file__)
