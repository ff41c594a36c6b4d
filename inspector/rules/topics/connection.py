"""Judge the WebSocket connection: subprotocol, identity, reconnects, message sizes."""

from __future__ import annotations

import re
from itertools import pairwise
from urllib.parse import unquote_to_bytes

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment, SessionContext
from inspector.rules.durations import duration
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import (
    ANY_FRAME,
    CLOSED,
    DEADLINE,
    OPENED,
    V2X,
    Faults,
    Topic,
    call,
    rule,
    track,
)
from inspector.rules.state.configuration import ConfigurationState

IDENTITY_LENGTH = 48
FAILED_ATTEMPTS = 4
"""After so many failed attempts to connect, the delays between them must have grown."""
GROWTH = 1.5
"""The longest delay must be so many times the shortest; each should be about twice the one before."""
AGREEMENT_S = 5.0
"""How long a CSMS that selects no subprotocol may take to close the connection."""
DOUBLE_S = 30.0
"""How long, in seconds, a charge point may have an old connection open besides its new one."""

_IDENTITY = re.compile(r"[A-Za-z0-9*\-_=:+|@.]*")
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NOT_IN_A_PATH = re.compile(r"[^!-~]|[\"<>\\^`{|}]")
_HEARTBEAT = '> [2,"%s","Heartbeat",{}]\n< [3,"%s",{"currentTime":"2026-01-01T12:00:00Z"}]'
_OPEN = '> [2,"1","Heartbeat",{}]'

_LIMITS = {
    "SendLocalList": ("LocalAuthListCtrlr", None),
    "GetReport": ("DeviceDataCtrlr", "GetReport"),
    "GetMonitoringReport": ("DeviceDataCtrlr", "GetReport"),
    "GetVariables": ("DeviceDataCtrlr", "GetVariables"),
    "SetVariables": ("DeviceDataCtrlr", "SetVariables"),
    "SetVariableMonitoring": ("MonitoringCtrlr", "SetVariableMonitoring"),
    "ClearVariableMonitoring": ("MonitoringCtrlr", "ClearVariableMonitoring"),
}
"""For each action, the component and the instance of the variable BytesPerMessage that limits its size."""


class Connection(Topic):
    """The rules about one WebSocket."""

    def setup(self) -> None:
        self._configuration = self.session.topic(ConfigurationState)
        self._reconnects = self.session.topic(Reconnects)

    @rule(
        "link.no-subprotocol",
        OPENED,
        title="The charge point offers no subprotocol",
        severity=Severity.ERROR,
        side=Side.CHARGE_POINT,
        spec="OCPP-J 1.6 §3.1.2; OCPP 2.x part 4 §3.1.2",
        remedy="Name the OCPP versions in Sec-WebSocket-Protocol, such as `ocpp1.6`.",
        bad='open {"subprotocols_offered":[],"subprotocol":null}',
        good="open",
    )
    def no_subprotocol(self, session: SessionContext, moment: Moment) -> Faults:
        if session.facts.get("subprotocols_offered") != []:
            return None
        return Fault("the handshake offers no subprotocol")

    @rule(
        "link.subprotocol-not-offered",
        OPENED,
        title="The CSMS selects a subprotocol that was not offered",
        severity=Severity.ERROR,
        side=Side.CSMS,
        spec="OCPP-J 1.6 §3.2; OCPP 2.x part 4 §3.3; RFC 6455 §4.2.2",
        remedy="Select one of the offered subprotocols, or none and close the connection.",
        bad='open {"subprotocols_offered":["ocpp1.5"]}',
        good='open {"subprotocols_offered":["ocpp1.5","ocpp1.6","ocpp2.0.1","ocpp2.1"]}',
    )
    def not_offered(self, session: SessionContext, moment: Moment) -> Faults:
        offered, selected = session.facts.get("subprotocols_offered"), session.facts.get("subprotocol")
        if selected is None or offered is None or selected in offered:
            return None
        return Fault(f"{selected[:60]} was selected, but only {', '.join(offered)[:200] or 'nothing'} was offered")

    @track(OPENED)
    def agreement(self, session: SessionContext, moment: Moment) -> None:
        if session.facts.get("subprotocols_offered") and session.facts.get("subprotocol", "") is None:
            self.station.deadline(moment, AGREEMENT_S, self.no_agreement, at_close=AtClose.JUDGED)

    @rule(
        "link.no-agreement",
        DEADLINE,
        title="Messages are exchanged although no subprotocol was agreed",
        severity=Severity.ERROR,
        side=Side.CSMS,
        spec="OCPP-J 1.6 §3.2; OCPP 2.x part 4 §3.3",
        remedy="Close the connection right after the handshake when you support none of the offered subprotocols.",
        bad=f'open {{"subprotocol":null}}\n{_OPEN}\nclose',
        good='open {"subprotocol":null}\nclose',
    )
    def no_agreement(self, moment: Moment) -> Faults:
        if not self.session.frames:
            return None
        offered = ", ".join(self.session.facts["subprotocols_offered"])[:200]
        return Fault(f"the CSMS selected none of {offered}, but the connection stayed open and was used")

    @rule(
        "link.identity",
        OPENED,
        title="The identity in the URL is too long, holds a forbidden character or is badly escaped",
        versions=V2X,
        severity=Severity.ERROR,
        side=Side.CHARGE_POINT,
        spec="OCPP 2.x part 4 §3.1.1; part 2 §2 (identifierString)",
        remedy="Use at most 48 characters of A-Z a-z 0-9 * - _ = + | @ . and percent-encode those that are "
        "reserved in a URL.",
        bad='open {"charge_point_id":"CP:1","request_path":"/ocpp/CP:1"}',
        good='open {"charge_point_id":"CP|1","request_path":"/ocpp/CP%7C1"}',
    )
    def identity(self, session: SessionContext, moment: Moment) -> Faults:
        found = []
        name = session.facts.get("charge_point_id") or ""
        if len(name) > IDENTITY_LENGTH:
            found.append(Fault(f"the identity has {len(name)} characters; at most 48 are allowed", key="length"))
        if ":" in name:
            found.append(Fault(f"the identity {name[:60]!r} has a colon", key="colon"))
        elif not _IDENTITY.fullmatch(name):
            found.append(
                Fault(f"the identity {name[:60]!r} has a character that no identifier may have", key="character")
            )
        path = session.facts.get("request_path")
        if path is not None:
            segment = path.partition("?")[0].rstrip("/").rpartition("/")[2]
            if why := _badly_escaped(segment):
                found.append(Fault(f"{why} in the path {segment[:60]!r}", key="escape"))
        return found

    @rule(
        "link.no-backoff",
        OPENED,
        title="A charge point reconnects repeatedly without increasing its delay",
        versions=V2X,
        severity=Severity.WARNING,
        side=Side.CHARGE_POINT,
        spec="OCPP 2.0.1 part 4 §5.3; OCPP 2.1 part 4 §5.4",
        remedy="Double the delay after every failed attempt, with some randomness, as RetryBackOffWaitMinimum, "
        "RetryBackOffRepeatTimes and RetryBackOffRandomRange say.",
        bad=f"open\n{_HEARTBEAT % (1, 1)}\nclose" + "\n+ 2s\nrefused" * 4 + "\n+ 2s\nopen",
        good=f"open\n{_HEARTBEAT % (1, 1)}\nclose"
        + "".join(f"\n+ {delay}s\nrefused" for delay in (2, 4, 8, 16))
        + "\n+ 32s\nopen",
    )
    def no_backoff(self, session: SessionContext, moment: Moment) -> Faults:
        delays = self._reconnects.delays_s(moment)
        if len(delays) <= FAILED_ATTEMPTS or self._reconnects.told:
            return None
        self._reconnects.told = True
        first = delays[: FAILED_ATTEMPTS + 1]
        if max(first) >= GROWTH * min(first) or not self._should_grow(min(first)):
            return None
        told = ", ".join(duration(delay) for delay in first)
        return Fault(f"attempts to connect came {told} after one another; each delay should be about twice the last")

    def _should_grow(self, least_s: float) -> bool:
        """Return whether the delays must grow visibly, according to what is known of the station's configuration."""
        repeats = self._configuration.variable_number("OCPPCommCtrlr", "RetryBackOffRepeatTimes")
        chance_s = self._configuration.variable_number("OCPPCommCtrlr", "RetryBackOffRandomRange")
        return (repeats is None or repeats >= 2) and (chance_s is None or chance_s < 2 * least_s)

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        if len(self.station.sessions) > 1:
            self.station.deadline(moment, DOUBLE_S, self.two_at_once)

    @rule(
        "link.two-at-once",
        DEADLINE,
        title="Two WebSockets with the same identity are in use at the same time",
        severity=Severity.WARNING,
        side=Side.LINK,
        spec="",
        remedy="Give each charge point its own identity. If one charge point has reconnected, use pings so that "
        "the CSMS notices the dead connection sooner.",
        bad=f"open\n{_OPEN}\nopen\n+ 31s",
        good="open\nclose\nopen\n+ 31s",
        heuristic=True,
    )
    def two_at_once(self, moment: Moment) -> Faults:
        if self.session not in self.station.sessions or len(self.station.sessions) < 2:
            return None
        return Fault(f"{len(self.station.sessions)} connections of {self.station.charge_point_id!r} are open at once")

    @track(CLOSED)
    def closed(self, session: SessionContext, moment: Moment) -> None:
        self._reconnects.ended(session, moment)

    @rule(
        "link.message-size",
        call(*_LIMITS),
        title="A message is longer than the charging station accepts",
        versions=V2X,
        severity=Severity.WARNING,
        side=Side.CSMS,
        spec="B06.FR.17, B08.FR.18, D01.FR.11, N04.FR.09, N06.FR.07",
        remedy="Send several messages of at most BytesPerMessage bytes.",
        bad='< [2,"1","GetVariables",{"getVariableData":[{"component":{"name":"LocalAuthListCtrlr"},'
        '"variable":{"name":"BytesPerMessage"}}]}]\n'
        '> [3,"1",{"getVariableResult":[{"attributeStatus":"Accepted","attributeValue":"60",'
        '"component":{"name":"LocalAuthListCtrlr"},"variable":{"name":"BytesPerMessage"}}]}]\n'
        '< [2,"2","SendLocalList",{"versionNumber":1,"updateType":"Full"}]',
        good='< [2,"2","SendLocalList",{"versionNumber":1,"updateType":"Full"}]',
    )
    def message_size(self, frame: Frame) -> Faults:
        component, instance = _LIMITS[frame.action or ""]
        limit = self._configuration.variable_number(component, "BytesPerMessage", instance)
        if limit is None or len(frame.raw) <= limit:
            return None
        return Fault(f"{frame.action} has {len(frame.raw)} bytes; the station accepts {limit} (BytesPerMessage)")

    @rule(
        "link.frame-size",
        ANY_FRAME,
        title="A message is longer than your own limit",
        severity=Severity.INFO,
        spec="",
        remedy="Send a shorter message, or raise `max_frame_bytes`.",
        bad='set max_frame_bytes 30\n> [2,"1","DataTransfer",{"vendorId":"a"}]',
        good=f"set max_frame_bytes 30\n{_OPEN}",
        heuristic=True,
        setting="max_frame_bytes",
    )
    def frame_size(self, frame: Frame) -> Faults:
        if len(frame.raw) <= self.settings.max_frame_bytes:
            return None
        return Fault(f"{len(frame.raw)} bytes; `max_frame_bytes` is {self.settings.max_frame_bytes}")


class Reconnects(Topic):
    """Tracks when a charge point was connected and when it failed to connect. It has no rules.

    A connection counts as used if it had at least one frame. `told` is whether the attempts since the last used
    connection were reported.
    """

    scope = "station"

    def setup(self) -> None:
        self._lost_ns: int | None = None  # monotonic time when the last used connection ended
        self.told = False
        self._tried: list[int] = []  # monotonic times of later connections that were not used

    def ended(self, session: SessionContext, moment: Moment) -> None:
        """Note the end of a connection; if it had no frame, it counts as a failed attempt to connect."""
        if session.frames:
            self._lost_ns = moment.mono_ns
            self.told = False
            self._tried.clear()
            self.station.refused.clear()
        elif len(self._tried) < FAILED_ATTEMPTS * 2:
            self._tried.append(session.opened_at.mono_ns)

    def delays_s(self, moment: Moment) -> list[float]:
        """Return the seconds between attempts to connect since the end of the last used connection, up to `moment`."""
        if self._lost_ns is None:
            return []
        tried = sorted([*self._tried, *(one.mono_ns for one in self.station.refused if one.mono_ns > self._lost_ns)])
        times = [self._lost_ns, *tried, moment.mono_ns]
        return [(after - before) / 1e9 for before, after in pairwise(times)]


def _badly_escaped(segment: str) -> str | None:
    if _ESCAPE.search(segment):
        return "a % without two hexadecimal digits"
    if _NOT_IN_A_PATH.search(segment):
        return "a character that needs percent-encoding"
    try:
        unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        return "percent-encoded bytes that are no UTF-8"
    return None
