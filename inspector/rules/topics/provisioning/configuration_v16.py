"""Judge how the configuration of a 1.6 charge point is requested, reported and kept."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V16, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import KEYS_LIMIT, ConfigurationState

NAMED = 20
"""At most so many keys are named in one sentence."""
_SECRET = "authorizationkey"  # the only key whose value a charge point hides

_ASKED = '< [2,"g","GetConfiguration",{"key":["HeartbeatInterval","Colour"]}]\n'
_HEARTBEAT = '{"key":"HeartbeatInterval","readonly":false,"value":"300"}'
_ASKED_ONE = '< [2,"g","GetConfiguration",{"key":["HeartbeatInterval"]}]\n'
_INTERVAL = '{"key":"ConnectionTimeOut","readonly":false,"value":"60"}'
_CALLED_UNKNOWN = _ASKED_ONE + '> [3,"g",{"unknownKey":["HeartbeatInterval"]}]\n'
_MAXIMUM = (
    '< [2,"m","GetConfiguration",{"key":["GetConfigurationMaxKeys"]}]\n'
    '> [3,"m",{"configurationKey":[{"key":"GetConfigurationMaxKeys","readonly":true,"value":"1"}]}]\n'
)
_CONNECTORS = (
    '< [2,"g","GetConfiguration",{"key":["NumberOfConnectors"]}]\n'
    '> [3,"g",{"configurationKey":[{"key":"NumberOfConnectors","readonly":true,"value":"2"}]}]\n'
)
_CHANGE = '< [2,"c","ChangeConfiguration",{"key":"%s","value":"%s"}]\n> [3,"c",{"status":"%s"}]\n'
_READ = (
    '< [2,"r","GetConfiguration",{"key":["HeartbeatInterval"]}]\n'
    '> [3,"r",{"configurationKey":[{"key":"HeartbeatInterval","readonly":false,"value":"%s"}]}]\n'
)
_INTEGERS = frozenset(
    "clockaligneddatainterval connectiontimeout heartbeatinterval metervaluesampleinterval minimumstatusduration "
    "resetretries transactionmessageattempts transactionmessageretryinterval".split()
)
"""Keys in lower case whose value is an integer from 0 on (section 9). WebSocketPingInterval may mean more below 0."""
_BOOLEANS = frozenset(
    "allowofflinetxforunknownid authorizationcacheenabled authorizeremotetxrequests localauthlistenabled "
    "localauthorizeoffline localpreauthorize stoptransactiononevsidedisconnect stoptransactiononinvalidid "
    "unlockconnectoronevsidedisconnect".split()
)
"""Keys in lower case whose value is true or false."""


class Configuration16(Topic):
    """The rules about GetConfiguration and ChangeConfiguration."""

    scope = "station"
    versions = V16

    def setup(self) -> None:
        self._accepted: dict[str, str] = {}  # by key, the last value that the charge point has accepted
        self._unknown: Known[str, None] = Known()  # keys that the charge point has reported as unknown, in lower case
        self._known = self.station.topic(ConfigurationState)

    @rule(
        "configuration.key-unanswered",
        result("GetConfiguration"),
        title="A requested configuration key is missing from the answer",
        severity=Severity.ERROR,
        spec="OCPP 1.6 §5.8",
        remedy="List each requested key: known ones in configurationKey, all others in unknownKey.",
        bad=_ASKED + f'> [3,"g",{{"configurationKey":[{_HEARTBEAT}]}}]',
        good=_ASKED + f'> [3,"g",{{"configurationKey":[{_HEARTBEAT}],"unknownKey":["Colour"]}}]',
        versions=V16,
        side=Side.CHARGE_POINT,
    )
    def key_unanswered(self, frame: Frame) -> Faults:
        asked = _keys(frame.request, "key")
        most = self._known.number("GetConfigurationMaxKeys")
        if not asked or (most and len(asked) > most):
            return None  # the CSMS has asked for more keys than the charge point allows
        told = {key.lower() for key in _keys(frame.payload, "unknownKey")}
        told.update((string(entry, "key") or "").lower() for entry in elements(frame.payload, "configurationKey"))
        missing = [key for key in asked if key.lower() not in told]
        if not missing:
            return None
        named = ", ".join(key[:50] for key in missing[:NAMED])
        return Fault(f"{named} requested, but in neither configurationKey nor unknownKey", "/2", key=named)

    @rule(
        "configuration.not-asked",
        result("GetConfiguration"),
        title="A configuration key is reported that was not requested",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §5.8",
        remedy="List only the requested keys; all keys only where the request names none.",
        bad=_ASKED_ONE + f'> [3,"g",{{"configurationKey":[{_HEARTBEAT},{_INTERVAL}]}}]',
        good=_ASKED_ONE + f'> [3,"g",{{"configurationKey":[{_HEARTBEAT}]}}]',
        versions=V16,
        side=Side.CHARGE_POINT,
    )
    def not_asked(self, frame: Frame) -> Faults:
        asked = {key.lower() for key in _keys(frame.request, "key")}
        told = [string(entry, "key") or "" for entry in elements(frame.payload, "configurationKey")]
        more = [key for key in (*told, *_keys(frame.payload, "unknownKey")) if key and key.lower() not in asked]
        if not asked or not more:
            return None
        return Fault(f"{more[0][:50]} is reported, but was not requested", "/2", key=more[0][:50])

    @rule(
        "configuration.unknown-accepted",
        result("ChangeConfiguration"),
        title="The change of a key is accepted that the charge point has called unknown",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §5.3 and §5.8",
        remedy="Answer NotSupported for a key that GetConfiguration calls unknown, or report its value there.",
        bad=_CALLED_UNKNOWN + _CHANGE % ("HeartbeatInterval", "60", "Accepted"),
        good=_CALLED_UNKNOWN + _CHANGE % ("HeartbeatInterval", "60", "NotSupported"),
        versions=V16,
        side=Side.CHARGE_POINT,
    )
    def unknown_accepted(self, frame: Frame) -> Faults:
        key = (string(frame.request, "key") or "").lower()
        if frame.payload.get("status") not in ("Accepted", "RebootRequired") or key not in self._unknown:
            return None
        return Fault(
            f"the change of {frame.request['key'][:50]} is accepted, but it was called unknown", "/2/status", key=key
        )

    @track(result("GetConfiguration"))
    def called_unknown(self, frame: Frame) -> None:
        for entry in elements(frame.payload, "configurationKey"):
            self._unknown.pop((string(entry, "key") or "").lower(), None)
        for key in _keys(frame.payload, "unknownKey"):
            if key.lower() != _SECRET:  # a charge point may report this key as unknown although it can be set
                self._unknown.note(key.lower(), None)

    @rule(
        "configuration.too-many-keys",
        call("GetConfiguration"),
        title="More configuration keys are requested than the charge point accepts",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §5.8 and §9.1.9",
        remedy="Ask for at most GetConfigurationMaxKeys keys at a time.",
        bad=_MAXIMUM + _ASKED,
        good=_MAXIMUM + '< [2,"g","GetConfiguration",{"key":["HeartbeatInterval"]}]',
        versions=V16,
        side=Side.CSMS,
    )
    def too_many_keys(self, frame: Frame) -> Faults:
        count, most = len(_keys(frame.payload, "key")), self._known.number("GetConfigurationMaxKeys")
        if not most or count <= most:
            return None
        return Fault(f"{count} keys requested; the charge point accepts {most} (GetConfigurationMaxKeys)", "/3/key")

    @rule(
        "configuration.read-only-accepted",
        result("ChangeConfiguration"),
        title="A change of a read-only configuration key is accepted",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §5.3",
        remedy="Answer Rejected for a read-only key, or report the key as writable.",
        bad=_CONNECTORS + _CHANGE % ("NumberOfConnectors", "3", "Accepted"),
        good=_CONNECTORS + _CHANGE % ("NumberOfConnectors", "3", "Rejected"),
        versions=V16,
        side=Side.CHARGE_POINT,
        heuristic=True,
    )
    def read_only_accepted(self, frame: Frame) -> Faults:
        key = string(frame.request, "key")
        if key is None or frame.payload.get("status") not in ("Accepted", "RebootRequired"):
            return None
        known = self._known.settings_1x.get(key.lower())
        if known is None or not known.read_only:
            return None
        return Fault(
            f"the change of {key[:50]} is accepted, although it was reported as read-only", "/2/status", key=key[:50]
        )

    @rule(
        "configuration.bad-value-accepted",
        result("ChangeConfiguration"),
        title="A value that a configuration key cannot have is accepted",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §5.3",
        remedy="Answer Rejected where the value does not have the type of the key.",
        bad=_CHANGE % ("HeartbeatInterval", "often", "Accepted"),
        good=_CHANGE % ("HeartbeatInterval", "often", "Rejected"),
        versions=V16,
        side=Side.CHARGE_POINT,
    )
    def bad_value(self, frame: Frame) -> Faults:
        key, value = string(frame.request, "key"), string(frame.request, "value")
        if key is None or value is None or frame.payload.get("status") not in ("Accepted", "RebootRequired"):
            return None
        name, plain = key.lower(), value.strip()
        if name in _INTEGERS and not plain.isdecimal():
            why = "which is not a number from 0 on"
        elif name in _BOOLEANS and plain.lower() not in ("true", "false"):
            why = "which is neither true nor false"
        else:
            return None
        return Fault(f"{key} is set to {value[:30]!r}, {why}", "/2/status", key=key[:50])

    @rule(
        "configuration.not-kept",
        result("GetConfiguration"),
        title="A configuration key does not have the value that was accepted",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §5.3",
        remedy="Answer Accepted only if the new value takes effect, and report that value from then on.",
        bad=_CHANGE % ("HeartbeatInterval", "60", "Accepted") + _READ % "300",
        good=_CHANGE % ("HeartbeatInterval", "60", "Accepted") + _READ % "60",
        versions=V16,
        side=Side.CHARGE_POINT,
        heuristic=True,
    )
    def not_kept(self, frame: Frame) -> Faults:
        if not self._accepted:
            return None
        faults = []
        for index, entry in enumerate(elements(frame.payload, "configurationKey")):
            key, value = string(entry, "key"), string(entry, "value")
            if key is None or value is None or key.lower() not in self._accepted:
                continue
            if _meaning(self._accepted.pop(key.lower())) != _meaning(value):
                text = f"{key[:50]} does not have the value whose change was accepted"
                faults.append(Fault(text, f"/2/configurationKey/{index}/value", key=key[:50]))
        return faults or None

    @track(result("ChangeConfiguration"))
    def changed(self, frame: Frame) -> None:
        key, value = string(frame.request, "key"), string(frame.request, "value")
        if key is None or value is None or frame.payload.get("status") in ("Rejected", "NotSupported"):
            return
        self._accepted.pop(key.lower(), None)
        if frame.payload.get("status") == "Accepted" and key.lower() != _SECRET and len(self._accepted) < KEYS_LIMIT:
            self._accepted[key.lower()] = value

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        self._unknown.clear()
        self._accepted.clear()  # new firmware or a technician may have changed the values meanwhile


def _keys(payload: dict[str, object], name: str) -> list[str]:
    listed = payload.get(name)
    return [key for key in listed if type(key) is str] if type(listed) is list else []


def _meaning(value: str) -> object:
    """Return a value in a form for comparison, in which 60 equals 60.0, TRUE equals true, and spaces do not count."""
    text = "".join(value.lower().split())
    try:
        return float(text)
    except ValueError:
        return text
