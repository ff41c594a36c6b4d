"""Read the id of the charge point, only from places where logs write ids."""

from __future__ import annotations

import re
from urllib.parse import unquote

from inspector.formats.logs.directions import Label
from inspector.protocol.vocabulary import EVERY_ACTION

_ID_CHARACTERS = r"[^\s,;:|\"'`<>()\[\]{}=]"
_KEYS = (
    r"charge_?box(?:_?id(?:entity)?)?|charge[_ ]?point[_ ]?(?:id(?:entity)?|identifier|name|serial)|"
    r"charging[_ ]?station[_ ]?(?:id(?:entifier)?|name)?|station_?(?:id|name|identifier)|cp_?id|cbid|"
    r"charger_?(?:id|name)|"
    r"cp_?identity|identity|evse_?name|cp_?name|ocpp_?id(?:entity)?|wallbox_?id"
)
_BRACKETED = re.compile(r"\[chargeBoxId=([^,\]]*)", re.I)
_KEYED = re.compile(
    rf"(?<![A-Za-z])(?:{_KEYS}|(?:cp|charger|station|chargepoint)(?==))[\"']?\s*[=:]\s*[\"']?({_ID_CHARACTERS}+)", re.I
)
_NAMED = re.compile(r"\b(?:charge ?point|charging ?station|station|charger|wallbox) [\"'`]([^\"'`]{1,48})[\"'`]", re.I)
_SESSION = re.compile(
    r"(?<![A-Za-z])(?:session_?id|connection_?id|conn_?id|ws_?id|socket_?id)[\"']?\s*[=:]\s*[\"']?([\w.:-]+)", re.I
)
_SAYS = re.compile(
    r"(?:^|[\s:\]])([^\s:\]]*): (?:receive message|received message|send message|send|sent|recv)\s*:?\s*[\"'`]?$"
)
_PARTY = r"(?:charge[ _-]?point|charging[ _-]?station|charger|station|wallbox|cp|client|device)"
_TO_OR_FROM = re.compile(
    rf"(?:\b(?:to|from|for|by|of)\s+(?:the\s+)?(?:{_PARTY}\s+)?|\b(?:recv|send|receive|received|sent|rx|tx)\s+(?:{_PARTY}\s+)?)"
    rf"[\"'`\[(]?({_ID_CHARACTERS}{{1,48}})[\"'`\])]?\s*[:|]?\s*[\"'`]?$",
    re.I,
)
_TOPIC = re.compile(
    r"\bocpp[/:.]([A-Za-z0-9][\w.*+@=-]{1,47})[/:.](?:in|out|rx|tx|up|down|to|from|requests?|responses?|calls?|results?)\b",
    re.I,
)
_SYSLOG = re.compile(r"\s*[\w.-]+ [\w./-]+(?:\[\d+\])?:\s")
_BEFORE_BAR = re.compile(r"[\s\]|)-]*\s([^\s|\[\]()]+)\s*\|")
_NOT_IDS = frozenset(
    """json message messages msg text request response payload data call result callresult callerror error
    ocpp frame raw websocket ws wss server client csms central system centralsystem backend cloud charge point
    chargepoint charger station the a an and cp evse connector is was reply answer pong ping heartbeat packet
    binary string body content command action type input output event log line info debug trace warn warning
    fatal notice level main thread queue com sys net app ui core simulator bytes handler socket connection
    session ocppj json: null none undefined unknown localhost""".split()
)
_NO_NAMES = frozenset("ocpp ocppj websocket ws wss json server client csms raw".split())
"""Words that are never the id of a charge point, even where logs write ids."""
_LEVEL = r"(?:trace|debug|info|notice|warn|warning|error|fatal|critical|verbose|silly|log|d|i|w|e|t|v)"
_LEVELS = re.compile(rf"(?:^|(?<=[\s\[(|;,:]))<?{_LEVEL}>?(?=[\s\])|;,:]|$)", re.I)
_BRACKETS = re.compile(r"\[[^\[\]]*\]|\([^()]*\)|\{[^{}]*\}")
_IDLE = re.compile(
    r"(?:^|(?<=[\s|;,:\"'(\[]))(?:ocpp(?:[-_ ]?j)?(?:[-_ ]?(?:1\.?6|2\.?0\.?1|2\.?1)j?)?|"
    r"messages?|msg|json|text|raw|frame|payload|data|charge ?point|charging ?station|charger|station|wallbox|"
    r"ladepunkt|ladestation|ladesäule|"
    r"call|result|error|request|response|ws|websocket|type|body)(?=[\s|;,:\"')\]]|$)[:=]?",
    re.I,
)
_LIKELY = re.compile(r"(?=[^0-9]*[0-9])(?=.*[A-Za-z])[A-Za-z0-9][\w.*+@=-]{1,47}")
_NAME = re.compile(r"[A-Za-z][\w.*+@=-]{1,47}")
_STYLED = re.compile(r"(?=.*[A-Z])[A-Za-z]\w*[-_][\w.*+@=-]{1,40}")
_CAMEL = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
_PLAIN_PARTS = frozenset(
    """api app bytes call client connection csms debug error event frame gateway handler http info input level
    log logger main manager message middleware notification output pool process protocol proxy queue read request
    response result router send server service session socket stream task thread time type web websocket worker
    write ws""".split()
)
_THREAD = re.compile(
    r"(?:.*(?:thread|worker|pool|exec|task|qtp|nio|main|loop|handler|queue|core|proc|conn|connector|evse|session|sess|req|"
    r"socket|ws|wss|http|https|ocpp|grpc|tcp|udp|line|pid|tid|job|lp|eth|wlan|v)[-_#]?\d[\d-]*|[0-9a-f]{8,}|"
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|.*\.[a-z]{1,4}|[a-z][a-z-]*\.\d+|ocpp[-_]?j?[-_]?\d[\d.]*j?|[a-z_]+(?:\.[a-z_]+)+|v?\d+(?:\.\d+)+|\d+(?:ms|s|us|b|kb|bytes)?|0x[0-9a-f]+|"
    r"(?:1\.6|2\.0\.1|2\.1)j?)$",
    re.I,
)
_FILE_LINE = re.compile(r"[\w./-]+\.\w{1,5}:\d+(?::\d+)?:?|[A-Z]/[\w.]+:")
_URL = re.compile(
    r"wss?://[^\s/\"'<>]+(/[^\s\"'<>,)\]?]*)|"
    r"(?:\burl:? |\bpath:? |\buri[:=] ?|\bGET |\bendpoint:? )[\"']?(/[^\s\"'<>,)\]?]+)",
    re.I,
)
_OCPP_PATH = re.compile(
    r"(?:(?<![\w:/])|(?<=:\d\d)|(?<=:\d\d\d\d)|(?<=:\d\d\d\d\d))/"
    r"(?:ocpp|ocppj|ws|websocket)/(?:[\w.-]+/)*([^\s/\"'<>,)\]?]+)",
    re.I,
)
_GENERIC = re.compile(
    r"(?:ocpp.*|ws|wss|websocket|v?\d(?:\.\d)*j?|api|centralsystemservice|steve|cs|server|csms|central.*|j|json)", re.I
)


def find(prefix: str, time: tuple[int, int] | None, label: Label | None) -> str | None:
    """Return the id of the charge point in the text before a frame.

    Args:
        prefix: the text.
        time: where the time begins and ends in the text.
        label: the direction in the text, and its place.
    """
    if name := keyed(prefix):
        return name
    if found := _SAYS.search(prefix):
        return found[1] if found[1] and found[1].lower() not in _NO_NAMES else None
    if found := _TOPIC.search(prefix):
        return found[1]
    if found := _TO_OR_FROM.search(prefix):
        name = found[1]
        if name.lower() not in _NOT_IDS and not _FILE_LINE.match(name) and not name.isdigit():
            return name
    if time and (found := _BEFORE_BAR.match(prefix, time[1])) and is_likely(found[1]):
        return found[1]
    return _alone(prefix, time, label) or (of_url(prefix) if "/ocpp" in prefix else None)


def keyed(text: str) -> str | None:
    """Return an id that a text labels: `chargeBoxId=CP1`."""
    found = _BRACKETED.search(text) or _KEYED.search(text) or _NAMED.search(text)
    return (found[1].strip() or None) if found else None


def session(prefix: str) -> str:
    """Return the session id in the text before a frame; it separates one WebSocket of a charge point from the next."""
    if "id" not in prefix and "Id" not in prefix and "ID" not in prefix:
        return ""
    found = _SESSION.search(prefix)
    return found[1] if found else ""


def of_url(text: str) -> str | None:
    """Return the id at the end of a WebSocket's address or path in a text."""
    if "/" not in text:
        return None
    for found in _URL.finditer(text):
        if name := _last_part(found[1] or found[2] or ""):
            return name
    found_path = _OCPP_PATH.search(text)
    return _last_part("/" + found_path[1]) if found_path else None


def is_likely(name: str) -> bool:
    """Return whether a single word looks like an id: letters and digits, but not a thread, file or version."""
    if _LIKELY.fullmatch(name) is None:
        return _is_styled(name)
    return not _THREAD.match(name) and name.lower() not in _NOT_IDS


def _is_styled(name: str) -> bool:
    """Return whether a word without digits is written like an id: DEPOT-LEFT, but not Web-Socket or MainThread."""
    if _STYLED.fullmatch(name) is None or _THREAD.match(name):
        return False
    return _PLAIN_PARTS.isdisjoint(re.split(r"[-_.]", name.lower()))


def _alone(prefix: str, time: tuple[int, int] | None, label: Label | None) -> str | None:
    """Return the only word of a prefix besides its time, direction, level and other common words."""
    if len(prefix) > 200:
        return None
    if label is None:
        return _cell(prefix) if "\t" in prefix else None
    cuts = sorted([label[1:], *([time] if time else [])], reverse=True)
    rest = prefix
    for start, end in cuts:
        rest = rest[:start] + " \x00 " + rest[end:]
    if time and (found := _SYSLOG.match(prefix, time[1])) and not prefix[: time[0]].strip():
        rest = rest.replace(found[0].rstrip(), " ", 1)
    rest = _LEVELS.sub(" ", rest)
    bare = _IDLE.sub(" ", _BRACKETS.sub(" ", rest))
    words = [word.strip("\"'`,;|:-*") for word in bare.replace("\x00", " ").replace("|", " ").replace(";", " ").split()]
    words = [word for word in words if word and not (word.isdigit() and len(word) < 7)]
    if len(words) > 1:
        words = [word for word in words if not _THREAD.match(word)]
    if len(words) == 1 and (is_likely(words[0]) or (time and label.way in "<>" and _is_name(words[0]))):
        return words[0]
    if any(is_likely(word) for word in words):
        return None
    inner = [found[0][1:-1].strip() for found in _BRACKETS.finditer(rest)]
    likely = [name for name in inner if is_likely(name)]
    return likely[0] if len(likely) == 1 else None


def _cell(prefix: str) -> str | None:
    """Return the only cell of a copied table that looks like an id."""
    cells = [cell.strip("\"' ") for cell in prefix.split("\t")]
    likely = [cell for cell in cells if is_likely(cell) and cell not in EVERY_ACTION]
    return likely[0] if len(likely) == 1 else None


def _is_name(word: str) -> bool:
    """Return whether a word may be an id if only a time and an arrow are around it."""
    if _NAME.fullmatch(word) is None or _THREAD.match(word) or word.lower() in _NOT_IDS:
        return False
    # A word of common parts only, such as OcppClient, is not an id.
    return not {part.lower() for part in _CAMEL.findall(word)} <= _PLAIN_PARTS | _NO_NAMES


def _last_part(path: str) -> str | None:
    name = unquote(path.partition("?")[0].rstrip("/.:;").rpartition("/")[2])
    return name if name and len(name) <= 255 and not _GENERIC.fullmatch(name) else None
