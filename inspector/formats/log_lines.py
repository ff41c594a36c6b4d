"""The lines of logs in which OCPP frames are found: knows how each program writes them; knows nothing of files.

| program | a line |
| --- | --- |
| SteVe | `[INFO ] 2026-01-01 12:00:00,123 ….WebSocketLogger (…) - [chargeBoxId=CP1, sessionId=…] Received: [2,…]` |
| mobilityhouse/ocpp (and Home Assistant) | `… CP1: receive message [2,…]`, `… CP1: send [3,…]` |
| EVerest/libocpp, log | `2026-01-01T12:00:00.123Z: ChargePoint>CentralSystem Heartbeat`, the frame on the lines below |
| EVerest/libocpp, html | `<tr class="ChargePoint"> <td>2026-…Z</td> … <pre lang="json">[2,…]</pre></td> </tr>` |
| EVerest/libocpp, console | `… ChargePoint: [2,…]` |
| any other | a time, a direction and a frame in one line, with the id of the charge point between them or without |
"""

from __future__ import annotations

import html
import re
from typing import NamedTuple

from inspector.formats.captured import LARGEST_NS, nanoseconds

TIME = (
    r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z\b|[+-]\d\d:?\d\d\b))?"
    r"|(?<![\w.:-])(?:\d{10}(?:\.\d{1,9})?|\d{13}|\d{16}|\d{19})(?![\w.:-])"
)
_TIME = re.compile(TIME)
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_FRAME = re.compile(r'\[\s*[2-6]\s*,\s*(?:["\d]|$)')
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]')
_CONTINUED = re.compile(r'\s*["{}\[\],\dtfn-]')

_STEVE = re.compile(
    r"\[chargeBoxId=(?P<id>[^,\]]*),\s*sessionId=(?P<session>[^\]]*)\]\s+"
    r"(?P<way>Received|Sending)(?: (?:text )?message)?:"
)
_OCPP = re.compile(r"(?:^|[\s:\]])(?P<id>[^\s:\]]+): (?P<way>receive message|send) (?=\[|(?<=message ))")
_EVEREST = re.compile(r"^\S+:\s+(?P<way>ChargePoint>CentralSystem|CentralSystem>ChargePoint)(?:\s|$).*", re.S)
_EVEREST_HTML = re.compile(r'^<tr class="(?P<way>ChargePoint|CentralSystem)">.*?<pre lang="json">')
_EVEREST_CONSOLE = re.compile(r"(?:^|[\s:])(?P<way>ChargePoint|CentralSystem): (?=\[)")
_HEADER = 2000
"""Characters of a line in which its form shows: no log has a longer beginning, and a search through more can take
for ever on a line made for it."""
_LONGEST_COUNTED = 1024 * 1024
_FORMS = (_STEVE, _OCPP, _EVEREST, _EVEREST_HTML, _EVEREST_CONSOLE)

UP, DOWN, RECEIVED, SENT = "up", "down", "received", "sent"
"""What a line says of a frame's direction: from the charge point, from the CSMS, or as its writer saw it."""

_WAYS = {
    _STEVE: {"Received": UP, "Sending": DOWN},
    _OCPP: {"receive message": RECEIVED, "send": SENT},
    _EVEREST: {"ChargePoint>CentralSystem": UP, "CentralSystem>ChargePoint": DOWN},
    _EVEREST_HTML: {"ChargePoint": UP, "CentralSystem": DOWN},
    _EVEREST_CONSOLE: {"ChargePoint": UP, "CentralSystem": DOWN},
}
_WORDS = {
    **dict.fromkeys("> -> --> => >> cp-to-csms cp->csms cp>csms cp2csms cp=>csms up upstream uplink".split(), UP),
    **dict.fromkeys("chargepoint>centralsystem chargepoint->csms chargepoint->centralsystem".split(), UP),
    **dict.fromkeys(
        "< <- <-- <= << csms-to-cp csms->cp csms>cp csms2cp csms=>cp down downstream downlink".split(), DOWN
    ),
    **dict.fromkeys("centralsystem>chargepoint csms->chargepoint centralsystem->chargepoint".split(), DOWN),
    **dict.fromkeys("in rx recv receive received receiving incoming inbound".split(), RECEIVED),
    **dict.fromkeys("out tx send sent sending outgoing outbound".split(), SENT),
}
_IDLE_WORDS = frozenset(
    "trace debug info notice warn warning error fatal ocpp ocpp1.6 ocpp2.0.1 ocpp2.1 message".split()
)
_SEPARATORS = re.compile(r"[\s,;|()\[\]{}\"']+|:(?=\s|$)")


class Line(NamedTuple):
    """What a line tells of a frame.

    Attributes:
        ts_ns: nanoseconds since 1970, None where the line has no time.
        way: UP, DOWN, RECEIVED, SENT, or None.
        frame: the text of the frame, or its beginning; empty where it stands on the lines below.
        markup: whether it is HTML, and ends with its tag.
        certain: whether the line is of a program known here, not only of a likely form.
    """

    ts_ns: int | None
    way: str | None
    charge_point_id: str | None
    session: str
    frame: str
    markup: bool = False
    certain: bool = True


def plain(line: str) -> str:
    """A line without the colours of a terminal."""
    return _ANSI.sub("", line) if "\x1b" in line else line


def parse(line: str) -> Line | None:
    """What a line tells of a frame; None where it tells of none in a form known here."""
    for form in _FORMS:
        if found := form.search(line, 0, _HEADER):
            told = found.groupdict()
            markup = form is _EVEREST_HTML
            frame = "" if form is _EVEREST else line[found.end() :].strip()
            if form is _EVEREST and not _TIME.match(line):
                continue
            way = _WAYS[form][told["way"]]
            when = _time(line[: found.end() if markup else found.start("way")])
            return Line(when, way, told.get("id"), told.get("session") or "", frame, markup)
    return _any_other(line)


def _any_other(line: str) -> Line | None:
    frame = _FRAME.search(line, 0, _HEADER)
    when = _TIME.search(line, 0, frame.start() if frame else 0)
    if frame is None or when is None:
        return None
    words = [word for word in _SEPARATORS.split(line[: when.start()] + " " + line[when.end() : frame.start()]) if word]
    ways = [word for word in words if word.lower() in _WORDS]
    rest = [word for word in words if word.lower() not in _WORDS and word.lower() not in _IDLE_WORDS]
    if len(rest) > (2 if ways else 1):
        return None  # prose that quotes a frame
    way = _WORDS[ways[-1].lower()] if ways else None
    charge_point = rest[0] if len(rest) == 1 else None
    return Line(_time(when[0]), way, charge_point, "", line[frame.start() :].strip(), certain=False)


def holds_a_frame(line: str) -> bool:
    """Whether there is something in a line that looks like a frame, in whatever form."""
    return _FRAME.search(line, 0, _HEADER) is not None


def depth(text: str) -> int:
    """How many brackets and braces a text leaves open; none where it is too long to have been cut by hand."""
    open_ = 0
    if len(text) > _LONGEST_COUNTED:
        return open_
    for token in _BRACKETS.findall(text):
        open_ += (token in "[{") - (token in "]}") if len(token) == 1 else 0
    return open_


def may_continue(line: str) -> bool:
    """Whether a line can go on with JSON that an earlier one began."""
    return _CONTINUED.match(line) is not None


def unmarked(text: str) -> str:
    """The text between tags."""
    return html.unescape(text.partition("</pre>")[0])


def _time(text: str) -> int | None:
    found = _TIME.search(text)
    if found is None:
        return None
    digits = found[0]
    try:
        if digits[4:5] in "-/":
            return nanoseconds(digits.replace("/", "-").replace(" +", "+").replace(" Z", "Z"))
        whole, _, fraction = digits.partition(".")
        at = int(whole) * 10 ** (19 - len(whole)) + int(fraction.ljust(9, "0") or 0)
        return at if at <= LARGEST_NS else None
    except ValueError:
        return None
