"""Judge whether credentials, encryption and security profiles are handled safely. Messages never quote a secret.

The facts of the handshake have the scheme, the user name, the length of the password and the TLS versions. If a
recording lacks them, these rules find nothing.
"""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.protocol.password_length import SHORTEST_PASSWORD, password_length
from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.context import Moment, SessionContext
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import OPENED, V16, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState

LONGEST_PASSWORD = {OcppVersion.V16: 20, OcppVersion.V201: 64, OcppVersion.V21: 64}
"""The maximum length of a password in bytes.

A 2.x station may state a lower maxLimit of BasicAuthPassword, but not below 40 (errata 2025-09).
"""
PASSWORDS_LIMIT = 5
"""So many of the latest passwords are remembered, in memory only."""
OLD_TLS = frozenset({"SSLv2", "SSLv3", "TLSv1", "TLSv1.0", "TLSv1.1"})

_COMMON_EVENTS = frozenset(
    "FirmwareUpdated SettingSystemTime StartupOfTheDevice ResetOrReboot SecurityLogWasCleared "
    "ReconfigurationOfSecurityParameters MemoryExhaustion InvalidMessages AttemptedReplayAttacks "
    "TamperDetectionActivated InvalidFirmwareSignature InvalidFirmwareSigningCertificate InvalidTLSVersion "
    "InvalidTLSCipherSuite".split()
)
_EVENTS_2X = _COMMON_EVENTS | frozenset(
    "FailedToAuthenticateAtCsms CsmsFailedToAuthenticate InvalidCsmsCertificate InvalidChargingStationCertificate "
    "MaintenanceLoginAccepted MaintenanceLoginFailed".split()
)
SECURITY_EVENTS: dict[OcppVersion | None, frozenset[str]] = {
    OcppVersion.V16: _COMMON_EVENTS
    | frozenset(
        "FailedToAuthenticationAtCentralSystem CentralSystemFailedToAuthentication InvalidCentralSystemCertificate "
        "InvalidChargePointCertificate".split()
    ),
    OcppVersion.V201: _EVENTS_2X,
    OcppVersion.V21: _EVENTS_2X | {"DiscardedRenewedClientCertificate"},
}
"""The types of security events by version (1.6 whitepaper section 8, 2.x part 2 appendix 1)."""

_BASIC = 'open {"auth_scheme":"Basic","auth_user":"%s","auth_password_length":%d,"tls_version":%s}'
_EVENT = '> [2,"e","SecurityEventNotification",{"type":"%s","timestamp":"2026-01-01T12:00:00Z"}]\n< [3,"e",{}]'
_READ_KEY = (
    '< [2,"g","GetConfiguration",{"key":["AuthorizationKey"]}]\n'
    '> [3,"g",{"configurationKey":[{"key":"AuthorizationKey","readonly":false%s}]}]'
)
_READ_PASSWORD = (
    '< [2,"g","GetVariables",{"getVariableData":[{"component":{"name":"SecurityCtrlr"},'
    '"variable":{"name":"BasicAuthPassword"}}]}]\n'
    '> [3,"g",{"getVariableResult":[{"attributeStatus":"%s",%s"component":{"name":"SecurityCtrlr"},'
    '"variable":{"name":"BasicAuthPassword"}}]}]'
)
_SET_KEY = '< [2,"k","ChangeConfiguration",{"key":"AuthorizationKey","value":"%s"}]\n> [3,"k",{"status":"Accepted"}]'
_SET_PASSWORD = (
    '< [2,"k","SetVariables",{"setVariableData":[{"attributeValue":"%s","component":{"name":"SecurityCtrlr"},'
    '"variable":{"name":"BasicAuthPassword"}}]}]\n> [3,"k",{"setVariableResult":[{"attributeStatus":"Accepted",'
    '"component":{"name":"SecurityCtrlr"},"variable":{"name":"BasicAuthPassword"}}]}]'
)
_KEY = "0123456789abcdef0123456789abcdef"
_CHANGED = (
    '> [2,"e","SecurityEventNotification",{"type":"ReconfigurationOfSecurityParameters",'
    '"timestamp":"2026-01-01T12:00:00Z","techInfo":"changed: %s"}]\n< [3,"e",{}]'
)
_PROFILE = {
    "1.6": '< [2,"p","GetConfiguration",{"key":["SecurityProfile"]}]\n'
    '> [3,"p",{"configurationKey":[{"key":"SecurityProfile","readonly":false,"value":"2"}]}]\n'
    '< [2,"c","ChangeConfiguration",{"key":"SecurityProfile","value":"%d"}]\n> [3,"c",{"status":"Accepted"}]',
    "2x": '< [2,"p","GetVariables",{"getVariableData":[{"component":{"name":"SecurityCtrlr"},'
    '"variable":{"name":"SecurityProfile"}}]}]\n'
    '> [3,"p",{"getVariableResult":[{"attributeStatus":"Accepted","attributeType":"Actual","attributeValue":"2",'
    '"component":{"name":"SecurityCtrlr"},"variable":{"name":"SecurityProfile"}}]}]\n'
    '< [2,"c","SetNetworkProfile",{"configurationSlot":1,"connectionData":{"ocppVersion":"OCPP20",'
    '"ocppInterface":"Wired0","ocppTransport":"JSON","messageTimeout":30,"ocppCsmsUrl":"wss://csms.example",'
    '"securityProfile":%d}}]\n> [3,"c",{"status":"Accepted"}]',
}


class Security(Topic):
    """The rules about security. They run before ConfigurationState is updated, so that they see the old profile."""

    scope = "station"

    def setup(self) -> None:
        self._longest: int | None = None  # the maxLimit of BasicAuthPassword
        self._passwords: list[str] = []  # the latest passwords that the CSMS has set
        self._known = self.station.topic(ConfigurationState)

    @rule(
        "security.user-name",
        OPENED,
        title="The Basic user name is not the charge point's identity",
        severity=Severity.ERROR,
        spec="A00.FR.204, A00.FR.303 (1.6 security whitepaper, 2.x part 2)",
        remedy="Send the identity from the URL as the user name.",
        bad=_BASIC % ("admin", 16, '"TLSv1.3"'),
        good=_BASIC % ("CP1", 16, '"TLSv1.3"'),
        side=Side.CHARGE_POINT,
    )
    def user_name(self, session: SessionContext, moment: Moment) -> Faults:
        user, identity = session.facts.get("auth_user"), session.facts.get("charge_point_id")
        if user is None or not identity or user == identity:
            return None
        return Fault(f"the user name {user[:48]!r} is not the identity {identity[:48]!r}", key="user")

    @rule(
        "security.password-length",
        OPENED,
        title="The Basic password is too short or too long",
        severity={
            OcppVersion.V16: Severity.WARNING,
            OcppVersion.V201: Severity.ERROR,
            OcppVersion.V21: Severity.ERROR,
        },
        spec="A00.FR.205, A00.FR.304 (1.6 security whitepaper, 2.x part 2)",
        remedy="Use a random password: 16 to 20 bytes in 1.6, 16 to 64 characters in 2.x, or up to the maxLimit of "
        "BasicAuthPassword where the station has one.",
        bad=_BASIC % ("CP1", 15, '"TLSv1.3"'),
        good=_BASIC % ("CP1", 16, '"TLSv1.3"'),
        side=Side.CHARGE_POINT,
    )
    def password_length(self, session: SessionContext, moment: Moment) -> Faults:
        length, version = session.facts.get("auth_password_length"), session.version
        if type(length) is not int or version is None or (version is OcppVersion.V16 and _is_hex(session)):
            return None  # the rule security.password-hex reports this more precisely
        longest = LONGEST_PASSWORD[version]
        if version is not OcppVersion.V16 and self._longest is not None:
            longest = max(40, min(self._longest, longest))
        if SHORTEST_PASSWORD <= length <= longest:
            return None
        return Fault(f"the password has {length} bytes; expected {SHORTEST_PASSWORD} to {longest}", key="password")

    @rule(
        "security.password-hex",
        OPENED,
        title="The Basic password is the key in hexadecimal digits instead of the key itself",
        severity=Severity.WARNING,
        spec="A00.FR.205 (1.6 security whitepaper)",
        remedy="AuthorizationKey is written as hexadecimal digits in the configuration only. Send the bytes that the "
        "digits stand for as the password, or set a key that is text.",
        bad=_BASIC[:-1] % ("CP1", 40, '"TLSv1.3"') + ',"auth_password_form":"hexadecimal"}',
        good=_BASIC % ("CP1", 20, '"TLSv1.3"'),
        versions=V16,
        side=Side.CHARGE_POINT,
    )
    def password_hex(self, session: SessionContext, moment: Moment) -> Faults:
        if not _is_hex(session):
            return None
        return Fault("the password is 40 hexadecimal digits; expected the 20 bytes that they encode", key="password")

    @rule(
        "security.basic-without-tls",
        OPENED,
        title="Basic authentication without TLS",
        severity=Severity.INFO,
        spec="A00.FR.201, A00.FR.206 (1.6 security whitepaper, 2.x part 2)",
        remedy="Use TLS (wss://): without it, anyone on the network path can read the password.",
        bad=_BASIC % ("CP1", 16, "null"),
        good=_BASIC % ("CP1", 16, '"TLSv1.3"'),
        side=Side.LINK,
    )
    def basic_without_tls(self, session: SessionContext, moment: Moment) -> Faults:
        facts = session.facts
        if str(facts.get("auth_scheme")).lower() != "basic":
            return None
        if facts.get("tls_version") or facts.get("upstream_tls_version"):
            return None  # the connection to the CSMS is encrypted; only that to the proxy is not
        return Fault("the password is sent in clear text", key="basic")

    @rule(
        "security.old-tls",
        OPENED,
        title="TLS older than 1.2",
        severity={
            OcppVersion.V16: Severity.WARNING,
            OcppVersion.V201: Severity.ERROR,
            OcppVersion.V21: Severity.ERROR,
        },
        spec="1.6 security whitepaper A00.FR.312; 2.x A00.FR.313, A00.FR.416",
        remedy="Use TLS 1.2 or 1.3 on both sides.",
        bad='open {"tls_version":"TLSv1.1"}',
        good='open {"tls_version":"TLSv1.2"}',
        side=Side.LINK,
    )
    def old_tls(self, session: SessionContext, moment: Moment) -> Faults:
        for name, who in (("tls_version", "the charge point"), ("upstream_tls_version", "the CSMS")):
            spoken = session.facts.get(name)
            if spoken in OLD_TLS:
                return Fault(f"{spoken} with {who}; the oldest safe version is 1.2", key=name)
        return None

    @rule(
        "security.key-readable",
        result("GetConfiguration", "GetVariables"),
        call("NotifyReport"),
        title="The password can be read back",
        severity={
            OcppVersion.V16: Severity.WARNING,
            OcppVersion.V201: Severity.ERROR,
            OcppVersion.V21: Severity.ERROR,
        },
        spec="1.6 security whitepaper §7.2; 2.x part 2 §2 BasicAuthPassword, B06.FR.09, B07.FR.03",
        remedy="Make AuthorizationKey and BasicAuthPassword write-only: never report their values.",
        bad={
            "1.6": _READ_KEY % ',"value":"****************"',
            "2x": _READ_PASSWORD % ("Accepted", '"attributeValue":"****",'),
        },
        good={"1.6": _READ_KEY % "", "2x": _READ_PASSWORD % ("Rejected", "")},
        side=Side.CHARGE_POINT,
    )
    def key_readable(self, frame: Frame) -> Faults:
        payload = frame.payload
        for index, entry in enumerate(elements(payload, "configurationKey")):
            # A shorter value is not a key: 1.6 allows an unrelated value in its place (OCPP-J 6.2.2).
            told = str(entry.get("value") or "")
            if _is_key(entry) and len(told) >= SHORTEST_PASSWORD:
                return Fault("the value of AuthorizationKey is reported", f"/2/configurationKey/{index}/value")
        for index, entry in enumerate(elements(payload, "getVariableResult")):
            if _is_password(entry) and entry.get("attributeValue"):
                text = "the value of BasicAuthPassword is reported"
                return Fault(text, f"/2/getVariableResult/{index}/attributeValue")
        for index, entry in enumerate(elements(payload, "reportData")):
            if _is_password(entry):
                self._longest = integer(member(entry, "variableCharacteristics"), "maxLimit")
                if any(attribute.get("value") for attribute in elements(entry, "variableAttribute")):
                    return Fault("the value of BasicAuthPassword is reported", f"/3/reportData/{index}")
        return None

    @rule(
        "security.short-key",
        call("ChangeConfiguration", "SetVariables"),
        title="The CSMS sets a password that is too short",
        severity=Severity.ERROR,
        spec="A00.FR.205 (1.6 security whitepaper, 2.x part 2)",
        remedy="Set at least 16 random bytes: in 1.6 as 32 to 40 hexadecimal digits, in 2.x as 16 characters or more.",
        bad={"1.6": _SET_KEY % "31323334", "2x": _SET_PASSWORD % "secret"},
        good={"1.6": _SET_KEY % "0123456789abcdef0123456789abcdef", "2x": _SET_PASSWORD % "correct-horse-battery"},
        side=Side.CSMS,
    )
    def short_key(self, frame: Frame) -> Faults:
        length = password_length(frame.action, frame.payload)
        if length is None and frame.notes is not None:
            length = frame.notes.get("password_length")
        if length is None or length >= SHORTEST_PASSWORD:
            return None
        required = f"at least {SHORTEST_PASSWORD} are required"
        if frame.action == "ChangeConfiguration":
            return Fault(f"AuthorizationKey is set to {length} bytes; {required}", "/3/value")
        entries = enumerate(elements(frame.payload, "setVariableData"))
        index = next((index for index, entry in entries if _is_password(entry)), 0)
        pointer = f"/3/setVariableData/{index}/attributeValue"
        return Fault(f"BasicAuthPassword is set to {length} characters; {required}", pointer)

    @track(call("ChangeConfiguration", "SetVariables"))
    def password_set(self, frame: Frame) -> None:
        given = [frame.payload.get("value")] if _is_key(frame.payload) else []
        given += [one.get("attributeValue") for one in elements(frame.payload, "setVariableData") if _is_password(one)]
        for one in given:
            # In a recording, the same number of asterisks hides the password here and where it is disclosed.
            if type(one) is str and len(one) >= SHORTEST_PASSWORD and (one.strip("*") or frame.redacted):
                self._passwords = [*self._passwords[1 - PASSWORDS_LIMIT :], one.lower()]

    @rule(
        "security.password-disclosed",
        call("SecurityEventNotification"),
        title="A security event has a password in its text",
        severity=Severity.ERROR,
        spec="A01.FR.12 (1.6 security whitepaper, 2.x part 2)",
        remedy="Log that the password has changed, but never the password: neither in techInfo nor in log files.",
        bad={"1.6": f"{_SET_KEY % _KEY}\n{_CHANGED % _KEY}", "2x": f"{_SET_PASSWORD % _KEY}\n{_CHANGED % _KEY}"},
        good={"1.6": f"{_SET_KEY % _KEY}\n{_CHANGED % 'key'}", "2x": f"{_SET_PASSWORD % _KEY}\n{_CHANGED % 'key'}"},
        side=Side.CHARGE_POINT,
    )
    def password_disclosed(self, frame: Frame) -> Faults:
        text = (string(frame.payload, "techInfo") or "").lower()
        known = [one for one in self._passwords if one.strip("*") or frame.redacted]
        if not any(one in text for one in known):
            return None
        return Fault("techInfo has a password that the CSMS has set", "/3/techInfo")

    @rule(
        "security.profile-lowered",
        result("ChangeConfiguration", "SetNetworkProfile"),
        title="A lower security profile is accepted",
        severity=Severity.ERROR,
        spec="1.6 security whitepaper A05.FR.01; 2.x A00.FR.005, B09.FR.04; 2.1 B09.FR.31",
        remedy="Reject a lower security profile (in 1.6 also the present one). Lower it on site, not over OCPP.",
        bad={version: script % 1 for version, script in _PROFILE.items()},
        good={version: script % 3 for version, script in _PROFILE.items()},
        side=Side.CHARGE_POINT,
    )
    def profile_lowered(self, frame: Frame) -> Faults:
        if frame.payload.get("status") not in ("Accepted", "RebootRequired"):
            return None
        request = frame.request
        if self.session.version is OcppVersion.V16:
            value = string(request, "value") or ""
            if (string(request, "key") or "").lower() != "securityprofile" or not value.strip().isdecimal():
                return None
            old, new = self._known.number("SecurityProfile"), int(value[:9])
            kept = new == old
        else:
            old = self._known.variable_number("SecurityCtrlr", "SecurityProfile")
            given = integer(member(request, "connectionData"), "securityProfile")
            if given is None:
                return None
            new, kept = given, False
            allowed = self._known.variable("SecurityCtrlr", "AllowSecurityProfileDowngrade")
            if (old, new) == (3, 2) and (allowed or "true").lower() == "true":
                return None  # the station allows it, or may have said so before the capture
        if old is None or (new >= old and not kept):
            return None
        what = "the present one, is accepted again" if kept else f"is accepted in place of {old}"
        return Fault(f"security profile {new}{', ' if kept else ' '}{what}", "/2/status", key=f"{old} {new}")

    @rule(
        "security.unlisted-event",
        call("SecurityEventNotification"),
        title="The type of a security event is not in the list",
        severity=Severity.INFO,
        spec="1.6 security whitepaper §8; 2.x part 2 appendix 1",
        remedy="Use a listed type where one fits, so that the CSMS understands it.",
        bad=_EVENT % "DoorOpened",
        good=_EVENT % "TamperDetectionActivated",
        side=Side.CHARGE_POINT,
    )
    def unlisted_event(self, frame: Frame) -> Faults:
        kind = string(frame.payload, "type")
        known = SECURITY_EVENTS.get(self.session.version)
        if kind is None or known is None or kind in known:
            return None
        return Fault(f"{kind[:50]!r} is not a listed security event", "/3/type", key=kind[:50])


def _is_hex(session: SessionContext) -> bool:
    return session.facts.get("auth_password_form") == "hexadecimal"


def _is_key(entry: dict[str, Any]) -> bool:
    return (string(entry, "key") or "").lower() == "authorizationkey"


def _is_password(entry: dict[str, Any]) -> bool:
    return (string(member(entry, "variable"), "name") or "").lower() == "basicauthpassword"
