"""Read time, direction and charge point from the members of a record around a frame."""

from __future__ import annotations

import re
from typing import Any

from inspector.formats.logs import directions
from inspector.formats.logs.directions import DOWN, IN, OUT, UP
from inspector.formats.logs.seen import Around
from inspector.formats.logs.times import Kind, Times, When, of_number

_PLAIN = re.compile(r"[^a-z]")
_TIMES = (
    *(
        "tsns",
        "realtimetimestamp",
        "timestamp",
        "time",
        "ts",
        "datetime",
        "eventtime",
        "logtime",
        "occurredat",
        "receivedat",
    ),
    *(
        "sentat",
        "createdat",
        "created",
        "created",
        "date",
        "at",
        "epoch",
        "timestampms",
        "messagetimestamp",
        "frametimeepoch",
    ),
    *("frametime", "frameframetimeepoch", "requesttime", "recordedat", "loggedat", "t"),
)
_IDS = (
    *(
        "chargeboxid",
        "chargeboxidentity",
        "chargepointid",
        "chargepointidentity",
        "chargepointidentifier",
        "cpidentity",
    ),
    *(
        "chargingstationid",
        "chargingstationidentifier",
        "stationid",
        "stationidentifier",
        "cpid",
        "chargerid",
        "ocppid",
    ),
    *(
        "ocppidentity",
        "identity",
        "chargepoint",
        "chargingstation",
        "station",
        "charger",
        "cp",
        "chargebox",
        "evseserial",
    ),
    *("wallboxid", "cbid", "chargepointname", "stationname", "chargername", "deviceid", "clientid"),
)
_WAYS = ("direction", "dir", "messagedirection", "msgdirection", "flow", "way", "kind", "type", "event", "messagetype")
_SENDERS = ("origin", "sender", "from", "source", "initiator", "originator")
_RECEIVERS = ("to", "destination", "receiver", "target", "recipient")
_MASKS = ("websocketmask", "websocketwebsocketmask")
_SESSIONS = ("connectionid", "websocketid", "socketid", "wsid", "connid", "websocketsessionid", "session")
_VERSIONS = ("ocppversion", "ocppprotocol", "subprotocol", "protocol", "protocolversion", "version")
_VERSION = re.compile(r"(?:ocpp[ _-]?j?)?(1\.6|2\.0\.1|2\.1)j?", re.I)
_STATION = re.compile(
    r"charge ?point|charging ?station|station|charger|cp|evse|wallbox|charge_point|charging_station|client", re.I
)
_CSMS = re.compile(r"csms|central ?system|central_system|server|backend|cpo|cloud|backoffice", re.I)
_SIDES = ("incoming", "isincoming", "outgoing")
WAY_OF_NAME = {
    **dict.fromkeys(("recv", "received", "receive", "rx", "in", "incoming", "inbound"), IN),
    **dict.fromkeys(("send", "sent", "tx", "out", "outgoing", "outbound"), OUT),
}
"""The direction of a frame by the name of the member that holds it."""
_KNOWN = frozenset((*_TIMES, *_IDS, *_WAYS, *_SENDERS, *_RECEIVERS, *_SESSIONS, *_VERSIONS, *_MASKS, *_SIDES))


class Members:
    """Read the members of records, and remember the form of their times."""

    def __init__(self) -> None:
        self._times = Times()
        self._names: dict[str, str] = {}

    def around(self, record: dict[str, Any]) -> Around:
        """Return time, direction and charge point from the members of a record."""
        told: dict[str, Any] = {}
        for name, value in record.items():
            plain = self._plain(name)
            if plain in _KNOWN and value is not None and type(value) in (str, int, float, bool):
                told.setdefault(plain, value)
        if not told:
            return Around()
        return Around(
            next((when for name in _TIMES if name in told and (when := self.time(told[name]))), None),
            _way(told),
            next((told[name].strip() for name in _IDS if type(told.get(name)) is str and told[name].strip()), None),
            next((str(told[name]) for name in _SESSIONS if name in told and type(told[name]) is not bool), ""),
            next(
                (found[1] for name in _VERSIONS if name in told and (found := _VERSION.fullmatch(str(told[name])))),
                None,
            ),
        )

    def time(self, value: Any) -> When | None:
        """Return the time in a member: a text, or a number since 1970."""
        if type(value) in (int, float):
            return of_number(value)
        if type(value) is not str or len(value) > 60:
            return None
        if value.isdigit():
            return of_number(int(value))
        found = self._times.find(value)
        return found.when if found and not (found.when.kind is Kind.TIME_OF_DAY and len(value) > 20) else None

    def _plain(self, name: str) -> str:
        plain = self._names.get(name)
        if plain is None:
            plain = _PLAIN.sub("", name.lower())
            if len(self._names) < 5000:
                self._names[name] = plain
        return plain


def _way(told: dict[str, Any]) -> str | None:
    for name in _WAYS:
        if type(told.get(name)) is str and len(told[name]) < 60 and (way := directions.named(told[name])):
            return way
    for name, incoming in (("incoming", True), ("isincoming", True), ("outgoing", False)):
        if type(told.get(name)) is bool:
            return IN if told[name] is incoming else OUT
    for name in _MASKS:  # frames of a client are masked (RFC 6455 section 5.3)
        if name in told:
            return UP if str(told[name]).lower() in ("1", "true") else DOWN
    for names, ways in ((_SENDERS, (UP, DOWN)), (_RECEIVERS, (DOWN, UP))):
        for name in names:
            value = told.get(name)
            if type(value) is str and _STATION.fullmatch(value):
                return ways[0]
            if type(value) is str and _CSMS.fullmatch(value):
                return ways[1]
    return None
