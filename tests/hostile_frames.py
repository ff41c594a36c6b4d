"""Frames of any size that repeat one unit, to find work that takes more than linear time in their size."""

from __future__ import annotations

import random
from dataclasses import dataclass

PIECES = (
    *('"', '\\"', "\\", "\\\\", "\\u0041", "\\ud83d", "{", "}", "[", "]", ":", ",", "'", " ", "\n", "\0", "\\/", "/"),
    *("1", "0", "-", ".", "e", "true", "null", "a", "A", "é", "😀", "a b", "=", "&", "?", ";", "@", "#", "<", ">", "%"),
    *("password", "key", "AuthorizationKey", "VIN", "idTag", "token", "://", "https://u:p@h/", "Basic QTpiY2RlZg=="),
    *("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", "<password>", "</password>", "password=", "S3cret"),
    *('"password":', '"key":"AuthorizationKey"', '"value":', '"variable":{"name":"AdminPassword"}', '"idTag":"x"'),
    *("2026-01-01T00:00:00Z", '"type":"KeyCode"', "eyJhbGciOi", "MIIB", "---\n", "a: b\n", "\r\n", "basic ", "bearer "),
)
ENVELOPES = (
    *(
        ("", ""),
        ('[2,"1","DataTransfer",{"vendorId":"v","data":', "}]"),
        ('[2,"1","DataTransfer",{"vendorId":"', '"}]'),
    ),
    *(('[2,"', '","Heartbeat",{}]'), ('[2,"1","', '",{}]'), ('[4,"1","GenericError","', '",{}]'), ("[2,", "]")),
    *(('[3,"1",{"configurationKey":[', "]}]"), ('[2,"1","BootNotification",', "]"), ("password", "\\")),
    ('[2,"1","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"', '"}]'),
)
NESTS = (
    *(('{"password":', "}"), ("[", "]"), ('{"a":', "}"), ('{"key":"AuthorizationKey","value":', "}"), ('[{"a":', "}]")),
    *(('{"variable":{"name":"AdminPassword"},"variableAttribute":[{"value":"x"},', "]}"), ('{"customData":', "}")),
)
_ENTRY = '{"idTag":"%d","idTagInfo":{"status":"Accepted"}}'
_SAMPLE = '{"value":"%d","unit":"Wh"}'
_PERIOD = '{"startPeriod":%d,"limit":1.0}'
LISTS = {
    "local list": ('[2,"1","SendLocalList",{"listVersion":1,"updateType":"Full","localAuthorizationList":[', "]}]"),
    "meter values": (
        '[2,"1","MeterValues",{"connectorId":1,"meterValue":[{"timestamp":"2026-01-01T00:00:00Z","sampledValue":[',
        "]}]}]",
    ),
    "profile": (
        '[2,"1","SetChargingProfile",{"connectorId":1,"csChargingProfiles":{"chargingProfileId":1,"stackLevel":0,'
        '"chargingProfilePurpose":"TxProfile","chargingProfileKind":"Absolute","chargingSchedule":{"chargingRateUnit":'
        '"W","chargingSchedulePeriod":[',
        "]}}}]",
    ),
    "configuration": ('[3,"1",{"configurationKey":[', '],"unknownKey":[]}]'),
    "unknown keys": ('[2,"1","GetConfiguration",{"key":[', "]}]"),
    "anything": ('[2,"1","Heartbeat",{"x":[', "]}]"),
    "elements": ('[2,"1","Heartbeat",{},', "]"),
    "starts": ('[2,"1","TransactionEvent",{"meterValue":[', "]}]"),
    "members": ('[2,"1","DataTransfer",{"vendorId":"v",', "}]"),
    "reports": ('[2,"1","NotifyReport",{"requestId":1,"seqNo":0,"reportData":[', "]}]"),
}
ELEMENTS = (
    *(_ENTRY, _SAMPLE, _PERIOD, "%d", "{}", "[]", '"%d"', '"a"', '{"m%d":1}', '"m%d":1', '"password%d":"x%d"'),
    *('{"password":"x%d"}', '{"key":"k%d","readonly":false,"value":"v%d"}', '{"key":"AuthorizationKey","value":"%d"}'),
    *('{"timestamp":"%d","sampledValue":[{"value":"1"}]}', '{"timestamp":"2026-01-01T00:00:00Z","sampledValue":[]}'),
    *(
        '"https://u:p%d@h/"',
        '"password=%d"',
        '"{\\"password\\":\\"%d\\"}"',
        "1e%d",
        '{"x":null}',
        '{"idTag":"%d","x":[]}',
    ),
    '{"component":{"name":"c%d"},"variable":{"name":"v%d"},"variableAttribute":[{"value":"%d"}]}',
)


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of frame that can have any size.

    Attributes:
        before, unit, after, end: text before the units, the unit, text after them once for each unit, the rest.
        numbered: each unit contains its number, and commas separate the units.
    """

    before: str
    unit: str
    after: str
    end: str
    numbered: bool = False

    def of(self, size: int) -> bytes:
        """Return a frame of about `size` bytes."""
        count = max(1, size // len((self.unit + self.after).encode()))
        if self.numbered:
            units = ",".join(self.unit.replace("%d", str(number)) for number in range(count))
        else:
            units = self.unit * count
        return f"{self.before}{units}{self.after * count}{self.end}".encode("utf-8", "surrogatepass")


def shape(dice: random.Random) -> Shape:
    """Return a random shape."""
    kind = dice.random()
    if kind < 0.3:
        before, end = LISTS[dice.choice(list(LISTS))]
        return Shape(before, dice.choice(ELEMENTS), "", end if dice.random() < 0.8 else "", numbered=True)
    before, end = dice.choice(ENVELOPES)
    if kind < 0.45:
        opened, closed = dice.choice(NESTS)
        return Shape(before, opened, closed if dice.random() < 0.8 else "", "1" + end)
    unit = "".join(dice.choice(PIECES) for _ in range(dice.choice((1, 1, 2, 2, 3, 4))))
    quoted = dice.random() < 0.4
    start = before + dice.choice(PIECES) * (dice.random() < 0.3)
    last = dice.choice(PIECES) * (dice.random() < 0.3) + end * (dice.random() < 0.7)
    return Shape(start + '"' * quoted, unit, "", '"' * quoted + last)
