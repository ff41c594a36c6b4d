"""Decide quickly that a frame has nothing to hide: first from its bytes, then from its parsed values.

`for_secrets` and `for_personal` search the bytes for words, which takes less than a microsecond. Almost every frame has
none of these words. If a frame has one, `has_nothing` checks its parsed values. Only if these may contain something to
hide does the frame get the close look, which finds the position of each value and takes about a microsecond per byte.
"""

from __future__ import annotations

import json
import re
import string
import unicodedata
from collections.abc import Callable, KeysView
from typing import Any, Protocol

import orjson

from inspector.redaction.assignments import NAMING
from inspector.redaction.effort import Effort
from inspector.redaction.json_tokens import TOKEN_LIMIT
from inspector.redaction.ocpp_values import payload_at
from inspector.redaction.sensitive_names import PERSONAL, SECRET_TOKEN_TYPES, Additions

_WORDS = (
    # Names.
    *("key", "token", "cookie", "pass", "pin", "pw", "psk", "puk", "jwt", "cred", "cret", "bearer", "sessid"),
    *("sharedaccesssig", "jsession", "contrase", "parola", "ifre", "kennwort", "wachtwoord", "motdepasse"),
    *("authorization", "authentication", "xauth", "signature"),
    *("auth=", "sig=", "hash=", "code="),
    # Schemes of Authorization, addresses, QR codes for wireless networks, JSON Web Keys.
    *("basic ", "negotiate ", "dpop ", "://", ":\\/\\/", "wifi:", '"kty'),
    # Encoded letters, in JSON and Python, URLs, HTML and UTF-16: any of the other words may be written like this.
    *("\\u", "\\x", "%", "&#", "\0"),
    # Private keys, JSON and "password" in base64.
    *("ibadanbgkqhkig9w0baqefaasc", "byqgsm49ageg", "ibaakca", "mhccaqeei", "migkagebbd", "mc4caqawbqydk2v"),
    *("crudjti", "eyj", "fzc3dvcmq", "hc3n3b3jk", "yxnzd29yz"),
    # The prefixes of vendors' tokens.
    *("gho_", "ghp_", "ghs_", "ghu_", "ghr_", "github_pat_", "glpat-", "gldt-", "glrt-", "glptt-", "glcbt-", "glimt-"),
    *("glagent-", "glsoat-", "glffct-", "glft-", "xox", "xapp-", "sk_live", "sk_test", "rk_live", "rk_test", "whsec_"),
    *("sk-ant-", "sk-proj-", "sk-svcacct", "npm_", "pypi-", "hvs.", "dop_v", "nrak-", "gocspx-", "aiza", "shpat_"),
    *("shpca_", "shppa_", "shpss_", "sq0atp", "sq0csp", "sq0idp", "dapi", "lin_api_", "akia", "asia"),
)
"""Every text with a secret contains one of these words, once digits and separators are removed from both."""
_ESCAPE = "\\u"
_ESCAPED = re.compile(rb"\\u[0-9a-fA-F]{4}")
"""Finds a whole escape. Its first two characters alone often occur by chance, for example in images."""
_SECRET_ID_TOKEN = re.compile("idtoken[=:]|xidtoken")
"""Finds an id token in a parameter or a header; there every token is a secret."""
_RARE = "\0\\/%&= jqxkwh"
"""Characters that are rare in frames, the rarest first. Searching for one is eight times faster than for a word."""

_SEPARATORS = "._-"
_HEAD = re.compile(rb'\[[2-6], ?"(?:[0-9A-Fa-f\-]{1,64}|([\w.\-]{1,64}))(?=")')
"""Matches the beginning of a frame with its message id, which differs from frame to frame.

The group is the id, unless it is hexadecimal: such an id contains none of the words.
"""
_LIKE_AN_ID = re.compile(r'"?[0-9a-f]+(?:".*)?', re.S)
_NO_HEAD = re.compile(b"(?!)()")
_LONGEST_SHAPED = 4_000
"""The shape of a frame is remembered only if the frame has at most so many bytes: longer ones rarely share a shape."""
_SHAPES_LIMIT = 2_000
_FOUND, _FOUND_IF_ESCAPED = -1, -2
"""Remembered results for a shape. Another result is the number of times that the shape contains "token"."""

_RUN = re.compile(r"[^*\s_.\-]+")
WORD = re.compile(r"\w+")
_CAMEL = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+(?![a-z])")

_NAMING = NAMING | {"type", "kty"}
"""Names of members, in lower case, whose value names or classifies the value of another member in the object."""
_NODE_STEPS, _CHILD_STEPS = 0.5, 0.5

type Look = Callable[[bytes], bool]
type Value = str | bool | list[Value] | tuple[tuple[str, Value], ...] | None
"""Parsed JSON. An object is a tuple of its members, which keeps duplicate names; a number is a string as written."""


class Meaning(Protocol):
    """Decides which names of members and variables are secret or personal."""

    def is_secret(self, name: str, parent: str = "") -> bool: ...

    def is_secret_variable(self, name: str) -> bool: ...

    def is_personal(self, name: str, parent: str = "") -> bool: ...


def for_secrets(additions: Additions) -> Look:
    """Return a function that returns whether a frame may contain a secret. `additions` has the names of the user.

    It searches the shape of the frame, which is its text without digits and separators. So it finds `p.w.d` and
    `pass_word2`. Frames that differ only in numbers and times have the same shape, whose result is remembered.
    """
    names = [max(_RUN.findall(name.rpartition("/")[2]), key=len) for name in (*additions.variables, *additions.members)]
    added = {_plain(name) for name in names}
    left_out = _SEPARATORS if any(map(str.isdigit, "".join(added))) else _SEPARATORS + string.digits
    always, guarded = _grouped({word.translate(str.maketrans("", "", left_out)) for word in {*_WORDS, *added} - {""}})
    found_if_odd = "" in added
    head = _NO_HEAD if any(map(_LIKE_AN_ID.fullmatch, added)) else _HEAD
    may_say = _any_of([*always, *(word for _, words in guarded for word in words)])
    deleted = left_out.encode()
    answers: dict[bytes, int] = {}

    def words_in(text: str) -> list[str]:
        found = [word for word in always if word in text]
        return found + [word for guard, words in guarded if guard in text for word in words if word in text]

    def answer(shape: bytes) -> int:
        text = shape.decode("utf-8", "replace")
        if not text.isascii() and found_if_odd:
            return _FOUND
        text = _plain(text)
        found = words_in(text)
        if found == ["token"] and not _SECRET_ID_TOKEN.search(text):
            return text.count("token")
        return 0 if not found else _FOUND_IF_ESCAPED if found == [_ESCAPE] else _FOUND

    def look(raw: bytes) -> bool:
        begun = head.match(raw)
        if begun is None or (begun[1] and may_say(begun[1].translate(None, deleted).lower())):
            shape = raw.translate(None, deleted)
        else:
            shape = raw[begun.end() :].translate(None, deleted)
        if (found := answers.get(shape)) is None:
            found = answer(shape)
            if len(raw) <= _LONGEST_SHAPED:
                if len(answers) >= _SHAPES_LIMIT:
                    answers.clear()
                answers[shape] = found
        if found > 0:  # idToken and groupIdToken are not secrets; any other name with "token" may be one
            return raw.count(b'"idToken') + raw.count(b"IdToken") < found
        return found == _FOUND or (found == _FOUND_IF_ESCAPED and _ESCAPED.search(raw) is not None)

    return look


def _any_of(words: list[str]) -> Callable[[bytes], object]:
    """Return a function that searches a message id for any of the words.

    An id has no quotation mark, so only the part before or after it is searched for if a word has one.
    """
    by_first: dict[str, list[str]] = {}
    for word in sorted({word.strip('"').partition('"')[0] for word in words} - {""}):
        by_first.setdefault(word[0], []).append(re.escape(word[1:]))
    return re.compile("|".join(f"{re.escape(a)}(?:{'|'.join(b)})" for a, b in by_first.items()).encode()).search


def _plain(text: str) -> str:
    """Return a text in lower case and ASCII, without accents; names of secrets are compared in this form."""
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text).replace("ı", "i").encode("ascii", "ignore").decode()
    return text.lower()


def for_personal(additions: Additions, known: KeysView[str]) -> Look:
    """Return a function that returns whether a frame, passed in lower case, may contain a personal value.

    It searches for the names of personal values and for the words in `known`, which come from earlier values.
    """
    needles: list[str] = []
    words: set[str] = set()
    for name in (*PERSONAL, *additions.personal):
        last = name.rpartition("/")[2]
        if "*" in last:
            run = max(last.split("*"), key=len)
            needles += _written(run)
        else:
            words |= _written(last)
    needles = [needle for needle in needles if not any(other != needle and other in needle for other in needles)]

    def look(lower: bytes) -> bool:
        text = lower.decode("utf-8", "replace")
        for needle in needles:
            if needle in text:
                return True
        found = WORD.findall(text)
        return not (words.isdisjoint(found) and known.isdisjoint(found))

    return look


def _written(name: str) -> set[str]:
    """Return the forms to search for in order to find a name: as one word, with underscores, and its last part.

    The last part finds the name with dashes.
    """
    parts = [part.lower() for part in _CAMEL.findall(name)]
    forms = {name.lower(), "_".join(parts)}
    return forms | {parts[-1]} if len(parts) > 1 and len(parts[-1]) >= 5 else forms


def _grouped(words: set[str]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Return the words that are always searched for, and groups of words with the text that they have in common.

    Only if this text, a rare character or the first two letters, is found, the words of its group are searched for.
    """
    shortest = [word for word in words if not any(other != word and other in word for other in words)]
    groups: dict[str, list[str]] = {}
    for word in sorted(shortest):
        groups.setdefault(next((char for char in _RARE if char in word), word[:2]), []).append(word)
    always = [words[0] for words in groups.values() if len(words) == 1]
    return always, [(guard, words) for guard, words in groups.items() if len(words) > 1]


def parsed(text: str) -> Value | None:
    """Return the value of a JSON text; None if it has too many tokens or is not JSON for both parsers."""
    # A token is a mark or is next to a mark, so twice the number of marks is at least the number of tokens.
    if 2 * sum(map(text.count, "{}[]:,")) >= TOKEN_LIMIT:
        return None
    try:
        orjson.loads(text)
        value: Value = json.loads(text, object_pairs_hook=tuple, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return None
    return value


def has_nothing(
    value: Value,
    parent: str,
    meaning: Meaning,
    tells: Callable[[str], bool],
    name_tells: Callable[[str], bool],
    effort: Effort,
) -> bool:
    """Return whether a value certainly has nothing to hide. If False, the close look has to decide.

    Args:
        value: what `parsed` returned.
        parent: the frame's action, which counts as the name of the payload.
        meaning: decides which names are secret or personal.
        tells: returns whether a string or a number contains something to hide.
        name_tells: returns whether a member's name contains something to hide.
        effort: the budget from which the steps are taken.

    Raises:
        TooMuch: the budget is spent.
    """
    payload = value[payload_at(value[0]) :] if isinstance(value, list) and value and isinstance(value[0], str) else []
    if not all(isinstance(child, tuple) for child in payload):
        return False  # a list may contain a name followed by its value
    names: set[tuple[str, str]] = set()
    texts: dict[str, None] = {}  # a set in the order of the text, because `tells` remembers the secrets that it finds
    waiting: list[tuple[Any, str]] = [(value, parent)]
    while waiting:
        node, within = waiting.pop()
        effort.spend(_NODE_STEPS)
        if isinstance(node, str):
            texts[node] = None
        elif isinstance(node, list):
            effort.spend(len(node) * _CHILD_STEPS)
            if len(node) == 2 and isinstance(node[0], str) and meaning.is_secret(node[0]):
                return False  # the list is a pair of a secret name and its value
            waiting += [(child, within or parent) for child in node]
        elif isinstance(node, tuple):
            effort.spend(len(node) * _CHILD_STEPS)
            for name, child in node:
                names.add((name, within))
                if isinstance(child, str):
                    texts[child] = None
                elif child is not None:
                    waiting.append((child, name))
                if (lower := name.lower()) in _NAMING and _names_a_secret(lower, child, meaning):
                    return False
    return not (
        any(meaning.is_secret(*one) or meaning.is_personal(*one) for one in names)
        or any(map(name_tells, {name for name, _ in names}))
        or any(map(tells, texts))
    )


def _names_a_secret(name: str, child: Any, meaning: Meaning) -> bool:
    """Return whether the value of a member such as "key" or "type" shows that another value is secret or personal."""
    for text in child if isinstance(child, list) else (child,):
        if not isinstance(text, str):
            continue
        if name == "kty":
            return True
        if name == "type":
            if text.lower() in SECRET_TOKEN_TYPES:
                return True
        elif meaning.is_secret_variable(text) or meaning.is_personal(text):
            return True
    return False
