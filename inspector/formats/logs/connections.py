"""Recognise lines that report the beginning or the end of a connection."""

from __future__ import annotations

import re
from typing import NamedTuple

QUICK = re.compile(r"onnect|clos(?:e|ed|ing)\b|upgrade|ws[s]?://|handshake", re.I)
"""A quick check that every line about a connection passes."""

_UP = re.compile(
    r"\b(?:re)?connected\b(?! (?:\w+ )?(?:cable|ev|vehicle|car)\b)|"
    r"connection (?:is |was |has been )?(?:established|opened|open\b|accepted|up\b)|"
    r"\bnew (?:websocket )?(?:connection|client)|\bconnection request\b|accepted (?:new )?connection|"
    r"websocket (?:is |was )?(?:open(?:ed)?|connected|established|upgrade success)|"
    r"upgrade successful|\bws open\b|on_?open\b|client connected|handshake (?:succe|complete|done|ok)|"
    r"\b(?:charger|charge ?point|station|wallbox) \S{1,48} (?:re)?connected",
    re.I,
)
_GOING_UP = re.compile(r"\bconnecting to\b|\bconnecting\b.{0,40}\bwss?://|\$ ?wscat\b|\bwscat -c\b|\bwebsocat\b", re.I)
_DOWN = re.compile(
    r"\bdisconnected\b|\bdisconnection\b|"
    r"connection (?:is |was |has been |got )?(?:closed|lost|reset|dropped|aborted|terminated|down\b)|"
    r"(?:websocket|ws|socket|session) (?:is |was |has been )?(?:closed|disconnected|lost|error close)|"
    r"\bws close[d]?\b|on_?close\b|close(?:d)? (?:frame|connection|event)|connectionclosed(?:error|ok)?|closestatus\[|"
    r"lost (?:the )?connection|\bclosed (?:with|by|code)|"
    r"client (?:disconnected|left)|[<>] CLOSE \d{4}\b",
    re.I,
)
_ABOUT_OCPP = re.compile(
    r"ocpp|websocket|\bwss?\b|csms|central ?system|back ?office|server|charge ?point|charger|charging ?station|"
    r"\bstation\b|closestatus|chargeboxid|\bcode\b|\bcp\b|client|^connected \(|^disconnected \(|wallbox|"
    r"connection (?:is |was )?(?:closed|established|lost)",
    re.I,
)
_NOT_THIS = re.compile(
    r"mqtt|modbus|database|\bdb\b|redis|wi-?fi|wlan|ethernet|bluetooth|\bble\b|\bev\b|vehicle|\bcar\b|cable|plug|"
    r"connector|failed|could not|cannot|can't|unable|refused|retry|will |trying|timeout while connecting|influx|"
    r"http/\d.\d\" \d|usb",
    re.I,
)
_CODE = re.compile(
    r"(?:code|status|closestatus\[code)[\"']?\s*[=: ]\s*[\"']?(\d{4})\b|\b(1\d{3})\b(?= ?[():,]|$)|\(code (\d{4})", re.I
)
_REASON = re.compile(r"reason[\"']?\s*[=:]\s*(?:\"([^\"]*)\"|'([^']*)'|([^,\])]+))", re.I)
_STATION = r"(?:charger|charge ?point|charging station|station|wallbox|client)"
_WHO = re.compile(
    rf"\b{_STATION} [\"'`\[]?([^\s\"'`\]:,]{{1,48}})[\"'`\]]? (?:is |was |has )?(?:re|dis)?connected|"
    r"\b(?:to|from|of|for|by|with) [\"'`\[]([^\s\"'`\]]{1,48})[\"'`\]]|"
    r"(?:^|[\s\]])([\w.*-]{2,48}): (?:re|dis)?connected|"
    rf"\b{_STATION}[: ]+[\"'`\[]?([\w.*-]{{1,48}})[\"'`\]]?[:,]? (?:connection|websocket)",
    re.I,
)
VERSION = re.compile(r"ocpp[-_ ]?j?v?(1\.6|2\.0\.1|2\.1)\b", re.I)


class Told(NamedTuple):
    """A line about a connection; `up` is None if the line only names the address that a client connects to."""

    up: bool | None
    code: int | None
    reason: str | None
    who: str | None
    client: bool


def read(text: str) -> Told | None:
    """Return the report in a line about an OCPP connection; None if there is none."""
    if len(text) > 2000:
        return None
    down, up = _DOWN.search(text), _UP.search(text)
    going = _GOING_UP.search(text)
    if not (down or up or going) or not _ABOUT_OCPP.search(text):
        return None
    code = None
    if down:
        found = _CODE.search(text)
        number = int(next(group for group in found.groups() if group)) if found else None
        code = number if number is not None and 1000 <= number < 5000 else None
    if _NOT_THIS.search(text) and code is None:
        return None
    reason = _REASON.search(text) if down else None
    said = next((group for group in reason.groups() if group is not None), None) if reason else None
    who = _WHO.search(text)
    name = next((group for group in who.groups() if group), None) if who else None
    client = bool(going) or ("connected to" in text.lower() and name is None)
    return Told(False if down else True if up else None, code, said.strip() if said else None, name, client)
