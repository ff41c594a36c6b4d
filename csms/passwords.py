"""Replace passwords with asterisks in everything that the CSMS stores, logs and shows.

The name of a member or key shows that its value is a password. From then on this password is replaced wherever the
charge point quotes it. Passwords are remembered for each charge point, in memory, until the process ends.
"""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import orjson

from csms.wire.nesting import too_deep

KEPT = 50
"""How many passwords of one charge point are remembered; beyond that the oldest is dropped."""
CHARGE_POINTS = 2000
SHORTEST = 4
"""The fewest characters of a password that is replaced in other texts; a password of letters only needs `STRONG`."""
STRONG = 8
"""The fewest characters of a password that is also replaced within longer words and in names of members."""

_ANYWHERE = re.compile(
    "passw(?!on)|passphrase|passcode|secret(?!ar)|credential|simpin(?!g)|pincode|sifre|parola|kennwort|wachtwoord|contrasen"
    "|(?:api|auth|authorization|access|shared|private|encryption|subscription|functions?|account|security|session|master"
    "|vpn|wifi|wlan|wpa|ssh|aes|hmac|sas)keys?|(?:access|refresh|auth|bearer|session|api|device)token"
)
_WORDS = frozenset("pass pwd pw psk pin puk jwt token bearer cookie".split())
_HEADERS = frozenset({"authorization", "proxyauthorization", "xauthorization", "httpauthorization"})
_ABOUT = frozenset(
    """
    algorithm attempt attempts changed count created enabled expires expiry file group id index info interval
    length level limit max min mode name policy reader required reset result set size state status supported
    type updated url usage valid version
    """.split()
)
"""The last words of names whose value only describes a password, such as passwordLength."""
_VALUES = frozenset({"value", "attributevalue", "actualvalue", "currentvalue", "newvalue"})
_NETWORKS = frozenset("vpn apn wifi wlan wpa ipsec".split())
_PIN_TYPES = frozenset({"keycode", "pin", "pincode"})
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_ACCENTS = str.maketrans("şŞıİñÑ", "sSiInN")
_TELLS = re.compile(
    r"passw|passphrase|passcode|\bpass\b|pwd|psk\b|\bc?pin\d?\b|sim.?pin|\bpuk\b|secret(?!ar)|credential|şifre|sifre|parola"
    r"|kennwort|wachtwoord|contrase|cookie|authorization|\bbearer\b|\bbasic (?=\S{8})|\bjwt\b"
    r"|(?:api|auth|access|shared|private|encryption|subscription|functions|account|security|session|vpn|wifi|hmac|aes|ssh)"
    r"[ _\-]?keys?\b|(?:access|refresh|auth|session|api|device)[ _\-]?token\b|\btoken[\"'\\]*\s?[:=>]"
    r"|[?&;](?:sig|key|auth|hash|[\w\-]{0,40}(?:token|signature)|code(?==\S{16}))(?==)",
    re.I,
)
"""Words before a secret: in free text, everything after one of these words is replaced."""
_BY_FORM = re.compile(
    r"-{3,5} ?BEGIN [\w ]{0,40}PRIVATE KEY|Private-(?:Lines|MAC):|\beyJ[\w\-]{8}|WIFI:"
    r"|\bM[IC][\w+/]{2,9}(?:BADAN|QAwBQYDK2V|AgEAM|BAAKCA|CAQEEI)",
    re.I,
)
"""The first characters of secrets: private keys, JSON Web Tokens, QR texts of wireless networks."""
_USER = re.compile(r"\w://([^/\s\"<>@]{1,300})@|\w://[^/\s\"<>:@]{1,200}:([^\s\"<>@]{1,300})@")
"""User names and passwords in URLs."""
_MAY_HOLD = (
    *"pass pwd pw psk pin puk secret key token cred cookie bearer jwt ifre parola kennwort wachtwoord contrase".split(),
    *(
        "authorization",
        "basic ",
        "auth=",
        "hash=",
        "sig=",
        "signature=",
        "code=",
        "://",
        "\\u",
        "wifi:",
        "private-",
        "eyj",
    ),
    *("badan", "qawbqydk2v", "ageam", "baakca", "caqeei"),
)
"""Parts of all these words, in lower case, for a quick check: most frames contain none of them."""
_SPLIT = re.compile(r"[\s\"'`„“”<>=,;:&@{}()\[\]\\]+|%2\d|%3\w|&?quot|&\w{2,5}(?=;)")


def is_secret(name: str, parent: str = "") -> bool:
    """Return whether a member, variable or configuration key with this name contains a password or another secret."""
    name = name.partition("#")[0].translate(_ACCENTS)
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or words[-1] in _ABOUT:
        return False
    if name.lower() == "key":
        return parent.lower() in _NETWORKS
    if (joined := "".join(words)) in _HEADERS or _ANYWHERE.search(joined):
        return True
    behind_id = {at + 1 for at, word in enumerate(words) if word == "id"}  # an id token is not a password
    return any(
        at not in behind_id and (word in _WORDS or word.removesuffix("s") in _WORDS) for at, word in enumerate(words)
    )


class Memory:
    """The known passwords of one charge point, each with the forms in which a text may quote it."""

    def __init__(self) -> None:
        self._forms: dict[str, tuple[str, ...]] = {}

    def add(self, password: str) -> None:
        """Remember a password, unless it is too short."""
        long_enough = len(password) >= (STRONG if password.isalpha() else SHORTEST)
        if long_enough and password.strip("*") and password not in self._forms:
            self._forms[password] = _forms(password)
            if len(self._forms) > KEPT:
                del self._forms[next(iter(self._forms))]

    def knows_any_in(self, text: str) -> bool:
        """Return whether a text quotes a known password."""
        return any(form in text for forms in self._forms.values() for form in forms)

    def starred(self, text: str, *, name: bool = False) -> str:
        """Return a text, or the name of a member, with asterisks for every quoted password."""
        for password, forms in self._forms.items():
            for form in forms if len(password) >= STRONG or not name else ():
                if form in text:
                    pattern = re.escape(form) if len(password) >= STRONG else rf"(?<!\w){re.escape(form)}(?!\w)"
                    text = re.sub(pattern, "*" * len(form), text)
        return text


class Passwords:
    """The memories of all charge points, at most `CHARGE_POINTS`: then the oldest one is dropped."""

    def __init__(self) -> None:
        self._memories: dict[str, Memory] = {}

    def of(self, charge_point_id: str) -> Memory:
        """Return the memory of a charge point; a missing one is created."""
        memory = self._memories.get(charge_point_id)
        if memory is None:
            if len(self._memories) >= CHARGE_POINTS:
                del self._memories[next(iter(self._memories))]
            memory = self._memories[charge_point_id] = Memory()
        return memory

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace passwords in a log record whose first argument is the identity of a charge point."""
        name = str(record.args[0]) if isinstance(record.args, tuple) and record.args else ""
        memory = self._memories.get(name)
        if memory is not None:
            record.msg, record.args = memory.starred(record.getMessage()), None
            if record.exc_info:
                record.exc_text = memory.starred(logging.Formatter().formatException(record.exc_info))
        return True


def hidden(value: Any, memory: Memory | None = None, parent: str = "") -> Any:
    """Return a copy of parsed JSON in which asterisks replace secrets, and add the secrets to `memory`."""
    if isinstance(value, dict):
        named = _names_a_secret(value)
        pin = str(value.get("type")).lower() in _PIN_TYPES
        return {
            (memory.starred(name, name=True) if memory else name): _all_starred(child, memory)
            if is_secret(name, parent) or (named and name.lower() in _VALUES) or (pin and name.lower() == "idtoken")
            else _attributes_starred(child, memory)
            if named and name.lower() == "variableattribute"
            else hidden(child, memory, name)
            for name, child in value.items()
        }
    if isinstance(value, list):
        if len(value) == 2 and isinstance(value[0], str) and is_secret(value[0]):  # a header as a pair
            return [value[0], _all_starred(value[1], memory)]
        return [hidden(child, memory, parent) for child in value]
    return text(value, memory) if isinstance(value, str) else value


def _names_a_secret(value: Mapping[str, Any]) -> bool:
    """Return whether an object has the name of a secret beside its value: `key` in 1.6, `variable` in 2.x."""
    for member, named in value.items():
        name = named.get("name") if isinstance(named, dict) else named
        if member.lower() in ("key", "name", "variable", "variablename") and isinstance(name, str) and is_secret(name):
            return True
    return False


def _attributes_starred(value: Any, memory: Memory | None) -> Any:
    attributes = value if isinstance(value, list) else [value]
    return [
        {name: _all_starred(child, memory) if name.lower() in _VALUES else child for name, child in attribute.items()}
        if isinstance(attribute, dict)
        else attribute
        for attribute in attributes
    ]


def _all_starred(value: Any, memory: Memory | None) -> Any:
    if isinstance(value, dict):
        return {name: _all_starred(child, memory) for name, child in value.items()}
    if isinstance(value, list):
        return [_all_starred(child, memory) for child in value]
    if isinstance(value, str):
        if memory is not None:
            memory.add(value)
        return "*" * len(value)
    return value if isinstance(value, bool) or value is None else int("9" * min(len(str(value)), 15))


def text(said: str, memory: Memory | None = None) -> str:
    """Return a frame or another text in which asterisks replace secrets, and add the secrets to `memory`."""
    lower = said.lower()
    if not (any(part in lower for part in _MAY_HOLD) or (memory is not None and memory.knows_any_in(said))):
        return said
    if said.lstrip()[:1] in ("{", "["):
        try:
            parsed = orjson.loads(said)
        except ValueError:
            parsed = None
        if parsed is not None and not too_deep(parsed):
            # Do it twice: a text may quote a password before the member that identifies it.
            shown = hidden(hidden(parsed, memory), memory)
            return said if shown == parsed else orjson.dumps(shown).decode()
    said = _USER.sub(lambda found: _starred(found[0], found.start(found.lastindex or 0) - found.start(), memory), said)
    word = _TELLS.search(said)
    formed = _BY_FORM.search(said)
    begins = min((word.end() if word else len(said), formed.start() if formed else len(said)))
    said = _starred(said, begins, memory)
    return memory.starred(said) if memory is not None else said


def _starred(said: str, begins: int, memory: Memory | None) -> str:
    """Replace a text from `begins` on, and remember the long words in it as passwords."""
    if memory is not None:
        for word in _SPLIT.split(said[begins:]):
            if len(word) >= STRONG and any(map(str.isdigit, word)) and any(map(str.isalpha, word)):
                memory.add(word)
    return said[:begins] + re.sub(r"\S", "*", said[begins:])


def _forms(password: str) -> tuple[str, ...]:
    data = password.encode("utf-8", "surrogatepass")
    forms = [password, json.dumps(password)[1:-1], json.dumps(password, ensure_ascii=False)[1:-1], repr(password)[1:-1]]
    if len(password) >= 2 * SHORTEST:
        forms += [quote(data, safe=""), data.hex(), data.hex().upper()]
        for skipped in range(3):
            coded = base64.b64encode(b"\0" * skipped + data).decode()
            forms.append(coded[(0, 2, 3)[skipped] : len(coded.rstrip("=")) - (1 if coded.endswith("=") else 0)])
    return tuple(dict.fromkeys(forms))
