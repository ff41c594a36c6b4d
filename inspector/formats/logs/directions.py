"""Read the direction of a frame from the words and arrows in front of it."""

from __future__ import annotations

import re
from typing import NamedTuple

UP, DOWN = "up", "down"
"""From the charge point or from the CSMS, if the text names the parties."""
IN, OUT = "in", "out"
"""Received or sent by the program that writes the log."""
REPLY = "reply"
"""An answer, by the writer of the log or by the other side: the CALL decides."""
RIGHT, LEFT = ">", "<"
"""Arrows. In most logs, an arrow to the right marks a frame that the writer sent."""
RELATIVE = {IN: "words", OUT: "words", REPLY: "words", RIGHT: "arrows", LEFT: "arrows"}
AWAY = frozenset({OUT, REPLY, RIGHT})
"""The values that mean "sent by the writer of the log"."""

_STATION = r"(?:charge[ _-]?points?|charging[ _-]?stations?|chargers?|wall[ _-]?box|stations?|cp|evse|charge[ _-]?box)"
_CSMS = r"(?:csms|csmss?|central[ _-]?system|central|server|back[ _-]?end|back[ _-]?office|cloud|cpms|cpo|ocpp server)"
_TO = r"\s*(?:[-=~]*[>→⇒]+|→|⇒|\bto\b|2)\s*"
_FROM = r"\s*(?:[<←⇐]+[-=~]*|\bfrom\b)\s*"
_SAYS = r"(?:sends?|sent|answer(?:s|ed)?|repl(?:y|ies|ied)|respond(?:s|ed)?|response|request|says|said)"
_ALONE = r"(?=\s*(?:[:|\])\[(]|$))"
_TO_STATION = rf"\bto[-_ ](?:the )?{_STATION}\b|(?:[=-]>|>>)\s?{_STATION}\b{_ALONE}"
_TO_CSMS = rf"\bto[-_ ](?:the )?{_CSMS}\b|(?:[=-]>|>>)\s?{_CSMS}\b{_ALONE}"
_ONCE = (
    rf"(?P<up>\b{_STATION}[-_ ]?(?:{_TO})[-_ ]?{_CSMS}\b|{_TO_CSMS}|\bfrom[-_ ](?:the )?{_STATION}\b"
    rf"|<[=-]\s?{_STATION}\b|\b{_CSMS}{_FROM}{_STATION}\b|\b{_STATION} {_SAYS}\b)",
    rf"(?P<down>\b{_CSMS}[-_ ]?(?:{_TO})[-_ ]?{_STATION}\b|{_TO_STATION}|\bfrom[-_ ](?:the )?{_CSMS}\b"
    rf"|<[=-]\s?{_CSMS}\b|\b{_STATION}{_FROM}{_CSMS}\b|\b{_CSMS} {_SAYS}\b)",
)
_PARTIES = re.compile("|".join(_ONCE), re.I)
_SPEAKS = re.compile(rf"(?:^|[\s:>*\]|])(?:(?P<up>{_STATION})|(?P<down>{_CSMS}))(?: \w+)?\s*:\W*$", re.I)
_TOKEN = re.compile(r"[^\W\d_]+")
_CHINESE = re.compile("(?P<in>收到|接收)|(?P<out>发送|發送|下发)")
_WORDS = {
    **dict.fromkeys("receive received receives receiving recv rcv rcvd recvd rx incoming inbound".split(), IN),
    **dict.fromkeys("send sends sending sent tx xmit transmit transmits transmitted transmitting".split(), OUT),
    **dict.fromkeys("outgoing outbound".split(), OUT),
    **dict.fromkeys("replied replies reply replying respond responds responded responding".split(), REPLY),
    **dict.fromkeys("answers answered answering".split(), REPLY),
    **dict.fromkeys("empfangen empfange empfängt erhalten ontvangen recibido recibida reçu reçue ricevuto".split(), IN),
    **dict.fromkeys("recebido recebida получено принято alındı".split(), IN),
    **dict.fromkeys("gesendet sende sendet senden verzonden enviado enviada envoyé envoyée inviato".split(), OUT),
    **dict.fromkeys("отправлено gönderildi".split(), OUT),
}
_PARTY_WORDS = frozenset(
    """charge charging charger chargers chargepoint chargepoints chargebox chargingstation chargingstations
    station stations wallbox cp evse csms central centralsystem server backend back cloud cpms cpo box wall""".split()
)
_SHORT = re.compile(
    r"(?:^|[\s\[(;|,=:\"'])(?:(?P<in>in|IN|In)|(?P<out>out|OUT|Out))(?=[\s\])|;:,\"']*(?:\S{1,48}[\s:;|,]+)?$)"
)
_STREAM = re.compile(
    r"(?:^|[\s\[(;|,=:\"'])(?:(?P<up>up|upstream|uplink)|(?P<down>down|downstream|downlink))(?=[\s\])|;:,\"']*$)", re.I
)
_ARROWS = re.compile(
    r"(?:^|(?<=[\s\w\])|:,;\"']))(?:(?P<right>[-=~]{0,3}>{1,3}|[→⇒➡▶⟶↑⬆➜]\ufe0f?)|(?P<left><{1,3}[-=~]{0,3}|[←⇐⬅◀⟵↓⬇]\ufe0f?))"
    r"(?=$|[\s\w\[(|:\"',;])"
)
_FILE = re.compile(
    r"(?:^|[-_. ])(?:(?P<in>received|incoming|inbound|recv|rx)|(?P<out>sent|outgoing|outbound|tx))(?=[-_. ])", re.I
)
_QUICK = re.compile(r"[<>→⇒➡▶⟶↑⬆➜←⇐⬅◀⟵↓⬇]")
_EXPLICIT = {
    **dict.fromkeys("cp-to-csms cp_to_csms cp2csms up upstream uplink from_cp fromcp cp chargepoint".split(), UP),
    **dict.fromkeys("charge_point charging_station chargingstation station charger from_charger".split(), UP),
    **dict.fromkeys("csms-to-cp csms_to_cp csms2cp down downstream downlink to_cp tocp csms to_charger".split(), DOWN),
    **dict.fromkeys("centralsystem central_system server backend".split(), DOWN),
    **dict.fromkeys("in incoming inbound recv received receive rx request_in response_in i".split(), IN),
    **dict.fromkeys("out outgoing outbound send sent tx request_out response_out o".split(), OUT),
    **dict.fromkeys("> -> => >>".split(), RIGHT),
    **dict.fromkeys("< <- <= <<".split(), LEFT),
}


class Label(NamedTuple):
    """A direction and its place in the text."""

    way: str
    start: int
    end: int


def find(text: str) -> Label | None:
    """Return the direction in the text before a frame.

    Names of parties count more than words, words more than arrows, and a later one more than an earlier one.
    """
    tokens = [(token[0].lower(), token) for token in _TOKEN.finditer(text)]
    parties = not _PARTY_WORDS.isdisjoint(word for word, _ in tokens)
    if parties and (found := _last(_PARTIES, text)):
        return Label(UP if found["up"] else DOWN, *found.span())
    for word, token in reversed(tokens):
        if word in _WORDS:
            return Label(_WORDS[word], *token.span())
        if word == "request" and text[: token.start()].endswith("type: "):
            return Label(OUT, *token.span())
    if not text.isascii() and (found := _last(_CHINESE, text)):
        return Label(IN if found["in"] else OUT, *found.span())
    if parties and (found := _SPEAKS.search(text)):
        return Label(UP if found["up"] else DOWN, *found.span("up" if found["up"] else "down"))
    if found := _SHORT.search(text):
        return Label(IN if found["in"] else OUT, *found.span("in" if found["in"] else "out"))
    if found := _STREAM.search(text):
        return Label(UP if found["up"] else DOWN, *found.span("up" if found["up"] else "down"))
    if _QUICK.search(text) and (found := _last(_ARROWS, text)):
        return Label(RIGHT if found["right"] else LEFT, *found.span())
    return None


def of_name(name: str) -> str | None:
    """Return the direction that a file name gives all its frames: received.txt, cp1_outgoing.log."""
    found = _FILE.search(name)
    return None if found is None else IN if found["in"] else OUT


def named(value: str) -> str | None:
    """Return the direction in the value of a member or column for directions."""
    plain = value.strip().lower().replace(" ", "")
    if plain in _EXPLICIT:
        return _EXPLICIT[plain]
    found = find(value)
    return found.way if found else None


def _last(form: re.Pattern[str], text: str) -> re.Match[str] | None:
    found = None
    for found in form.finditer(text):  # noqa: B007 - the last one is wanted
        pass
    return found
