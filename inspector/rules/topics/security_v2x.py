"""Judge where a 2.x password is set and used, whether the connection fits the security profile, and lost events."""

from __future__ import annotations

import re

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import Direction
from inspector.rules.context import AtClose, Moment, SessionContext
from inspector.rules.durations import duration, since
from inspector.rules.fields import elements, member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import DEADLINE, OPENED, V2X, Faults, Topic, call, refusal, result, rule, track
from inspector.rules.state.device_model import DeviceModel, name_of
from inspector.rules.state.registration import Registration, RegistrationState
from inspector.rules.topics.example_frames import NOW, cp, script, set_2x, variable_2x
from inspector.rules.topics.provisioning.networks_refused_v2x import told_profile

CRITICAL = frozenset(
    "FirmwareUpdated SettingSystemTime StartupOfTheDevice ResetOrReboot SecurityLogWasCleared MemoryExhaustion "
    "TamperDetectionActivated InvalidFirmwareSignature InvalidFirmwareSigningCertificate InvalidCsmsCertificate "
    "InvalidChargingStationCertificate InvalidTLSVersion InvalidTLSCipherSuite MaintenanceLoginAccepted "
    "MaintenanceLoginFailed".split()
)
"""The critical security events (part 2 appendix 1)."""
INSECURE = frozenset({"InvalidCsmsCertificate", "InvalidTLSVersion", "InvalidTLSCipherSuite"})
"""The security events after which a station must close the connection."""
DELAY_S = 10.0
"""An event is certainly about the present connection if it happened so many seconds after the handshake."""
_PASSWORD = ("SecurityCtrlr", "BasicAuthPassword")
_PROFILE = ("SecurityCtrlr", "SecurityProfile")
_HOLDERS = frozenset({"securityctrlr", "networkconfiguration"})
"""The components that have a BasicAuthPassword, in lower case."""
_UNKNOWN = frozenset({"UnknownComponent", "UnknownVariable"})
_OTHER_WAY = re.compile(rb"basic_?auth_?password|authorization_?key", re.IGNORECASE)
_NEW = "correct-horse-battery"
_FACTS = '{"remote_addr":"192.0.2.1:4000","auth_scheme":%s,"auth_user":"CP1","tls_version":%s}'
_BASIC = 'open {"auth_scheme":"Basic","auth_user":"CP1","auth_password_length":%d,"tls_version":"TLSv1.3"}'
_EVENT = cp("SecurityEventNotification", {"type": "TamperDetectionActivated", "timestamp": NOW})
_INSECURE = cp("SecurityEventNotification", {"type": "InvalidCsmsCertificate", "timestamp": "2026-01-01T12:01:00Z"})
_LOST = _EVENT.partition("\n")[0].replace('"#"', '"lost"') + "\n"


def _opened(scheme: str | None, tls: str | None) -> str:
    given = '"Basic"' if scheme else "null"
    return f"open {_FACTS % (given, f'"{tls}"' if tls else 'null')}"


class Security2x(Topic):
    """The rules about passwords, security profiles and security events of a 2.x station."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._model = self.station.topic(DeviceModel)
        self._boot = self.station.topic(RegistrationState)
        self._length: int | None = None  # the length of the password that the station has accepted last
        self._sent: Known[tuple[str, str], SessionContext] = Known()  # critical events without an answer
        self._again: Known[tuple[str, str], int] = Known()  # when (monotonic) each of them was sent last

    @rule(
        "security.password-elsewhere",
        call("SetVariables", "DataTransfer"),
        title="The CSMS sets the password of a station by another way than BasicAuthPassword",
        severity=Severity.WARNING,
        spec="OCPP 2.x A01.FR.01, A01.FR.02",
        remedy="Set the password with SetVariables of BasicAuthPassword.",
        bad=script(set_2x("SecurityCtrlr", "AuthorizationKey", _NEW, "UnknownVariable")),
        good=script(set_2x(*_PASSWORD, _NEW)),
        versions=V2X,
        side=Side.CSMS,
    )
    def elsewhere(self, frame: Frame) -> Faults:
        if frame.action == "DataTransfer":
            if frame.direction is Direction.FROM_CSMS and _OTHER_WAY.search(frame.raw):
                return Fault("the password is in a DataTransfer", "/3")
            return None
        for index, entry in enumerate(elements(frame.payload, "setVariableData")):
            variable = (string(member(entry, "variable"), "name") or "").lower()
            if variable == "authorizationkey":
                return Fault("AuthorizationKey is set; in 2.x it is BasicAuthPassword", f"/3/setVariableData/{index}")
            component = string(member(entry, "component"), "name") or ""
            if variable == "basicauthpassword" and component.lower() not in _HOLDERS:
                text = f"BasicAuthPassword of {component[:40]} is set; it belongs to SecurityCtrlr"
                return Fault(text, f"/3/setVariableData/{index}", key="component")
        return None

    @rule(
        "security.password-too-long",
        call("SetVariables"),
        title="The CSMS sets a password that is too long",
        severity=Severity.WARNING,
        spec="OCPP 2.x A00.FR.205, A00.FR.304",
        remedy="Use at most 64 characters, or as many as the station's maxLimit allows.",
        bad=script(set_2x(*_PASSWORD, "0123456789" * 7)),
        good=script(set_2x(*_PASSWORD, _NEW)),
        versions=V2X,
        side=Side.CSMS,
    )
    def too_long(self, frame: Frame) -> Faults:
        for index, entry in enumerate(elements(frame.payload, "setVariableData")):
            name, value = name_of(entry), string(entry, "attributeValue")
            if name is None or name.variable != "basicauthpassword" or not value:
                continue
            if not (value.strip("*") or frame.redacted):
                continue  # somebody else has hidden it, and nothing says that its length is kept
            at = f"/3/setVariableData/{index}/attributeValue"
            known = self._model.get(*_PASSWORD)
            most = (known.characteristics or {}).get("maxLimit") if known is not None else None
            longest = min(64, max(40, int(most))) if isinstance(most, int | float) else 64
            if len(value) > longest:
                return Fault(f"the password has {len(value)} characters; at most {longest} are allowed", at)
        return None

    @rule(
        "security.password-unknown",
        result("SetVariables"),
        title="A station that uses a password does not have the variable for it",
        severity=Severity.WARNING,
        spec="OCPP 2.x A00.FR.205, A00.FR.304, A01.FR.01",
        remedy="Keep the password in SecurityCtrlr.BasicAuthPassword, and let the CSMS set it there.",
        bad=script(variable_2x(*_PROFILE, "2"), set_2x(*_PASSWORD, _NEW, "UnknownVariable")),
        good=script(variable_2x(*_PROFILE, "3"), set_2x(*_PASSWORD, _NEW, "UnknownVariable")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def unknown(self, frame: Frame) -> Faults:
        basic = str(self.session.facts.get("auth_scheme")).lower() == "basic"
        profile = self._model.value(*_PROFILE)
        sure = basic or profile in ("1", "2")
        if not sure and (profile is not None or "auth_scheme" in self.session.facts):
            return None
        for index, entry in enumerate(elements(frame.payload, "setVariableResult")):
            name, status = name_of(entry), string(entry, "attributeStatus")
            if name is None or status not in _UNKNOWN:
                continue
            if (name.component, name.variable) == ("securityctrlr", "basicauthpassword"):
                but = "but the station connects with a password" if sure else "which stations with a password have"
                severity = None if sure else Severity.INFO
                text = f"BasicAuthPassword is answered with {status}, {but}"
                return Fault(text, f"/2/setVariableResult/{index}", severity=severity)
        return None

    @rule(
        "security.old-password",
        OPENED,
        title="The CSMS lets a station connect with a password that was replaced",
        severity=Severity.WARNING,
        spec="OCPP 2.x A01.FR.03",
        remedy="Refuse the old password once the station has accepted a new one.",
        bad=script(_BASIC % 16, set_2x(*_PASSWORD, _NEW), "close", _BASIC % 16),
        good=script(_BASIC % 16, set_2x(*_PASSWORD, _NEW), "close", _BASIC % len(_NEW)),
        versions=V2X,
        side=Side.CSMS,
    )
    def old_password(self, session: SessionContext, moment: Moment) -> Faults:
        length = session.facts.get("auth_password_length")
        if self._length is None or type(length) is not int or length == self._length:
            return None
        text = f"the password has {length} bytes; the one that the station has accepted has {self._length}"
        return Fault(text, key="password")

    @track(result("SetVariables"))
    def password_set(self, frame: Frame) -> None:
        for entry in elements(frame.payload, "setVariableResult"):
            name = name_of(entry)
            if name is None or name.variable != "basicauthpassword" or frame.call is None:
                continue
            if entry.get("attributeStatus") == "Accepted" and name.component == "securityctrlr":
                given = (one for one in elements(frame.request, "setVariableData") if name_of(one) == name)
                value = next((one.get("attributeValue") for one in given), None)
                # In a recording there are as many asterisks as the password has characters.
                known = isinstance(value, str) and (value.strip("*") or frame.call.redacted)
                self._length = len(value.encode()) if known and isinstance(value, str) else None

    @track(result("SetNetworkProfile"))
    def profile_set(self, frame: Frame) -> None:
        self._length = None  # the profile may have a password of its own

    @rule(
        "security.profile-differs",
        result("GetVariables"),
        call("NotifyReport"),
        title="A station connects in another way than its security profile says",
        severity=Severity.WARNING,
        spec="OCPP 2.x A00.FR.001, A00.FR.202, A00.FR.203, A00.FR.301, A00.FR.302, A00.FR.312, A00.FR.401, A00.FR.415",
        remedy="Profile 1: a password without TLS. Profile 2: a password and TLS. Profile 3: a client certificate and "
        "TLS, without a password.",
        bad=script(_opened("Basic", "TLSv1.3"), variable_2x(*_PROFILE, "3")),
        good=script(_opened("Basic", "TLSv1.3"), variable_2x(*_PROFILE, "2")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def differs(self, frame: Frame) -> Faults:
        facts = self.session.facts
        if not facts.get("remote_addr"):
            return None  # the handshake was not seen
        told = told_profile(frame)
        basic, tls = str(facts.get("auth_scheme")).lower() == "basic", facts.get("tls_version")
        text, severity = None, None
        if told == "3" and basic:
            text = "SecurityProfile is 3, but the station sends a password"
        elif told in ("1", "2") and "auth_scheme" in facts and facts["auth_scheme"] is None:
            text = f"SecurityProfile is {told}, but the station sends no password"
        elif told == "1" and tls:
            text = f"SecurityProfile is 1, but the station connects with {tls}"
        elif told in ("2", "3") and "tls_version" in facts and not tls and not facts.get("upstream_tls_version"):
            text = f"SecurityProfile is {told}, but the connection has no TLS here"
            severity = Severity.INFO  # something in front of the recorder may have ended TLS
        return Fault(text, "/3" if frame.call is None else "/2", severity=severity, key=told or "") if text else None

    @rule(
        "security.connection-kept",
        DEADLINE,
        title="A station keeps a connection that it has found not to be secure",
        severity=Severity.WARNING,
        spec="OCPP 2.x A00.FR.311, A00.FR.316, A00.FR.323, A00.FR.414, A00.FR.419, A00.FR.426",
        remedy="Close the connection where the certificate, the TLS version or the ciphers of the CSMS are not valid.",
        bad=script("open", "+ 1m", _INSECURE, "+ 5m"),
        good=script("open", "+ 1m", _INSECURE, "+ 5s", "close", "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def connection_kept(self, moment: Moment, event: Frame, session: SessionContext) -> Faults:
        if session not in self.station.sessions:
            return None
        wait = since(event, moment)
        kind = string(event.payload, "type") or ""
        return Fault(
            f"{kind[:50]} happened on this connection, which is still open {wait} later", frame=event, key=kind
        )

    @track(call("SecurityEventNotification"))
    def insecure(self, frame: Frame) -> None:
        when = seconds(string(frame.payload, "timestamp"))
        if string(frame.payload, "type") not in INSECURE or when is None or not self.session.dated:
            return
        if when > self.session.opened_at.ts_ns / 1e9 + DELAY_S:  # else it happened before, and was queued
            self.station.deadline(
                frame, self.settings.effect_timeout_s, self.connection_kept, frame, self.session, at_close=AtClose.LATE
            )

    @rule(
        "security.event-not-resent",
        DEADLINE,
        title="A critical security event that was never answered is not sent again",
        severity=Severity.WARNING,
        spec="OCPP 2.x A04.FR.02",
        remedy="Keep a critical security event until the CSMS has answered it, and send it again after a reconnect.",
        bad=script(_LOST, "close", "+ 10s", "open", "+ 5m"),
        good=script(_LOST, "close", "+ 10s", "open", _EVENT, "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_resent(
        self, moment: Moment, event: tuple[str, str], session: SessionContext, refused: Frame | None = None
    ) -> Faults:
        if event not in self._sent or session not in self.station.sessions:
            return None
        if self._boot.state not in (Registration.ACCEPTED, Registration.UNKNOWN):
            return None  # it may not send this yet
        if refused is not None and self._again.get(event, 0) > refused.mono_ns:
            return None
        del self._sent[event]
        wait = duration(self.settings.effect_timeout_s)
        why = "was answered with an error" if refused is not None else "was not answered before the connection was lost"
        severity = Severity.INFO if refused is not None else None
        return Fault(
            f"{event[0][:50]} {why}, and is not sent again within {wait}", severity=severity, key=event[0][:50]
        )

    @track(call("SecurityEventNotification"))
    def event(self, frame: Frame) -> None:
        kind, when = string(frame.payload, "type"), string(frame.payload, "timestamp")
        if kind in CRITICAL and kind is not None and when is not None:
            self._sent.note((kind, when), self.session)
            self._again.note((kind, when), frame.mono_ns)

    @track(refusal("SecurityEventNotification"))
    def event_refused(self, frame: Frame) -> None:
        event = (string(frame.request, "type") or "", string(frame.request, "timestamp") or "")
        if event in self._sent:
            self.station.deadline(
                frame,
                self.settings.effect_timeout_s,
                self.not_resent,
                event,
                self.session,
                frame,
                at_close=AtClose.LATE,
            )

    @track(result("SecurityEventNotification"))
    def event_answered(self, frame: Frame) -> None:
        self._sent.pop((string(frame.request, "type") or "", string(frame.request, "timestamp") or ""), None)

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        for event, before in self._sent.items():
            if before is not session and before not in self.station.sessions:
                self.station.deadline(
                    moment, self.settings.effect_timeout_s, self.not_resent, event, session, at_close=AtClose.LATE
                )
