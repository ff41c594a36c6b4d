"""Decide quickly that a frame has nothing to hide: first from its bytes, then from its parsed values.

`for_secrets` and `for_personal` search the bytes for words. Almost every frame has none of them, and this costs less
than a microsecond. `has_nothing` goes through the parsed values of a frame that has one. The close look, which has to
know where each value is, takes about a microsecond a byte and is left for the few frames that neither clears.
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
    # Schemes, addresses, the QR code of a network, JSON Web Keys.
    *("basic ", "negotiate ", "dpop ", "://", ":\\/\\/", "wifi:", '"kty'),
    # Other ways to write a letter: in JSON and Python, in URLs, in HTML, in UTF-16.
    *("\\u", "\\x", "%", "&#", "\0"),
    # Private keys, JSON and "password" in base64.
    *("ibadanbgkqhkig9w0baqefaasc", "byqgsm49ageg", "ibaakca", "mhccaqeei", "migkagebbd", "mc4caqawbqydk2v"),
    *("crudjti", "eyj", "fzc3dvcmq", "hc3n3b3jk", "yxnzd29yz"),
    # Tokens of vendors.
    *("gho_", "ghp_", "ghs_", "ghu_", "ghr_", "github_pat_", "glpat-", "gldt-", "glrt-", "glptt-", "glcbt-", "glimt-"),
    *("glagent-", "glsoat-", "glffct-", "glft-", "xox", "xapp-", "sk_live", "sk_test", "rk_live", "rk_test", "whsec_"),
    *("sk-ant-", "sk-proj-", "sk-svcacct", "npm_", "pypi-", "hvs.", "dop_v", "nrak-", "gocspx-", "aiza", "shpat_"),
    *("shpca_", "shppa_", "shpss_", "sq0atp", "sq0csp", "sq0idp", "dapi", "lin_api_", "akia", "asia"),
)
"""Every name and every form of a secret has one of these in it, whatever digits and separators stand between its
letters."""
_ESCAPE = "\\u"
_ESCAPED = re.compile(rb"\\u[0-9a-fA-F]{4}")
"""A whole escape: many an image has its first two characters by chance."""
_SECRET_ID_TOKEN = re.compile("idtoken[=:]|xidtoken")
"""An id token as a parameter or a header, where every token is a secret."""
_RARE = "\0\\/%&= jqxkwh"
"""Characters by how rare they are in frames. To search for one takes an eighth of the time that a word takes."""

_SEPARATORS = "._-"
_HEAD = re.compile(rb'\[[2-6], ?"(?:[0-9A-Fa-f\-]{1,64}|([\w.\-]{1,64}))(?=")')
"""The beginning of a frame up to its message id, which is different each time. An id of digits and the letters of
hexadecimal numbers has no word in it; the group is any other id."""
_LIKE_AN_ID = re.compile(r'"?[0-9a-f]+(?:".*)?', re.S)
_NO_HEAD = re.compile(b"(?!)()")
_LONGEST_SHAPED = 4_000
"""Bytes of a frame whose shape is remembered; two longer ones hardly ever share one."""
_SHAPES_LIMIT = 2_000
_FOUND, _FOUND_IF_ESCAPED = -1, -2
"""Answers for a shape; any other is how often it has the word token."""

_RUN = re.compile(r"[^*\s_.\-]+")
WORD = re.compile(r"\w+")
_CAMEL = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+(?![a-z])")

_NAMING = NAMING | {"type", "kty"}
"""Members whose value says what the value beside it means, in lower case."""
_NODE_STEPS, _CHILD_STEPS = 0.5, 0.5

type Look = Callable[[bytes], bool]
type Value = str | bool | list[Value] | tuple[tuple[str, Value], ...] | None
"""An object is a tuple of its members, so that two of the same name both count; a number is text, as written."""


class Meaning(Protocol):
    """What names mean."""

    def is_secret(self, name: str, parent: str = "") -> bool: ...

    def is_secret_variable(self, name: str) -> bool: ...

    def is_personal(self, name: str, parent: str = "") -> bool: ...


def for_secrets(additions: Additions) -> Look:
    """Return a function that tells whether a frame may contain a secret. `additions` are names given by the user.

    It searches the frame's shape: what remains without digits and separators. `p.w.d` and `pass_word2` are found
    there, and frames that differ in numbers and times alone have one shape, whose answer is remembered.
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
        if found > 0:  # idToken and groupIdToken are in many frames and no secrets; validToken is one
            return raw.count(b'"idToken') + raw.count(b"IdToken") < found
        return found == _FOUND or (found == _FOUND_IF_ESCAPED and _ESCAPED.search(raw) is not None)

    return look


def _any_of(words: list[str]) -> Callable[[bytes], object]:
    """Return a function that searches a message id for words; of a word with a quote an id can have a part only."""
    by_first: dict[str, list[str]] = {}
    for word in sorted({word.strip('"').partition('"')[0] for word in words} - {""}):
        by_first.setdefault(word[0], []).append(re.escape(word[1:]))
    return re.compile("|".join(f"{re.escape(a)}(?:{'|'.join(b)})" for a, b in by_first.items()).encode()).search


def _plain(text: str) -> str:
    """Return the ASCII letters of a text, without accents and in lower case, as the names of secrets are compared."""
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text).replace("ı", "i").encode("ascii", "ignore").decode()
    return text.lower()


def for_personal(additions: Additions, known: KeysView[str]) -> Look:
    """Return a function that tells whether a frame, given in lower case, may contain a personal value.

    It searches for their names, and for the words in `known`, which are from values seen before.
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
    """Return how a name may be written: as one word, with underscores, and its last part for one with dashes."""
    parts = [part.lower() for part in _CAMEL.findall(name)]
    forms = {name.lower(), "_".join(parts)}
    return forms | {parts[-1]} if len(parts) > 1 and len(parts[-1]) >= 5 else forms


def _grouped(words: set[str]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Return the words that are searched for always, and the others by what has to be found first.

    That is a rare character or, where several words begin alike, two letters.
    """
    shortest = [word for word in words if not any(other != word and other in word for other in words)]
    groups: dict[str, list[str]] = {}
    for word in sorted(shortest):
        groups.setdefault(next((char for char in _RARE if char in word), word[:2]), []).append(word)
    always = [words[0] for words in groups.values() if len(words) == 1]
    return always, [(guard, words) for guard, words in groups.items() if len(words) > 1]


def parsed(text: str) -> Value | None:
    """Return the value of a JSON text that every parser reads alike, and None of any other text."""
    # A token is a mark or is next to one.
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
    """Return whether a value certainly has nothing to hide; False leaves it to the close look.

    Args:
        value: What `parsed` returned.
        parent: The name that the value's members count as members of: the frame's action.
        meaning: What names mean.
        tells: Returns whether a string or a number contains something to hide.
        name_tells: Returns whether a member's name contains something to hide.
        effort: The budget that the steps are taken from.

    Raises:
        TooMuch: The budget is spent.
    """
    payload = value[payload_at(value[0]) :] if isinstance(value, list) and value and isinstance(value[0], str) else []
    if not all(isinstance(child, tuple) for child in payload):
        return False  # a list may hold a name followed by its value
    names: set[tuple[str, str]] = set()
    texts: dict[str, None] = {}  # in order: the close look remembers what it finds first
    waiting: list[tuple[Any, str]] = [(value, parent)]
    while waiting:
        node, within = waiting.pop()
        effort.spend(_NODE_STEPS)
        if isinstance(node, str):
            texts[node] = None
        elif isinstance(node, list):
            effort.spend(len(node) * _CHILD_STEPS)
            if len(node) == 2 and isinstance(node[0], str) and meaning.is_secret(node[0]):
                return False  # a name and its value
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
    """Return whether a member such as "key" or "type" announces a secret beside it."""
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
