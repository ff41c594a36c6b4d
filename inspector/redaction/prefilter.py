"""Tells at next to no cost that a frame has nothing to hide, which is so of almost every one; never says what it has.

A frame is looked at closely when it holds one of some words. Each word is looked for only where its rarest character
is there: to find that none is takes a seventh of the time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, KeysView

from inspector.redaction.sensitive_names import PERSONAL, Additions

_ESCAPE = "\\u"
_SECRET = (
    *(
        "key",
        "token",
        "cookie",
        "psk",
        "puk",
        "kennwort",
        "jwt",
        "jsessionid",
        "xauth",
        "x-auth",
        "wachtwoord",
        "wifi:",
    ),
    *('authorization"', "authorization:", "basic ", "negotiate ", "dpop ", "bearer", "ifre"),
    *("://", ":\\/\\/", _ESCAPE, "\0"),
    # Private keys without a name, also in base64; a JWT; JSON in base64.
    *("ibadanbgkqhkig9w0baqefaasc", "byqgsm49ageg", "ibaakca", "mhccaqeei", "migkagebbd"),
    *("mc4caqawbqydk2v", "crudjti", "eyj", "fzc3dvcmq", "hc3n3b3jk", "yxnzd29yz", '"kty'),
)
_BEGINS_WITH_P = re.compile(r'p(?:ass|in|wd|w["=:>]|swd|arola|hpsess)').search
_BEGINS_WITH_C = re.compile(r"c(?:re[dt]|ontrase|cesssig)").search
"""These find all names and forms of secrets; an escaped letter could hide any of them. A pattern that begins with one
letter is as quick as a single word."""
_ESCAPED = re.compile(r"\\u[0-9a-f]{4}")
"""A whole escape: the first two of its characters stand in many an image by chance."""
_RARE = "\0\\/ jqxkwh_"
"""Characters by how rare they are in frames; to look for one takes an eighth of what a word takes."""
_RUN = re.compile(r"[^*\s_.\-]+")
WORD = re.compile(r"\w+")
_CAMEL = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+(?![a-z])")

type Look = Callable[[bytes], bool]
"""Asked of a frame in lower case."""


def for_secrets(additions: Additions) -> Look:
    """A look for secrets, also those that a user has named."""
    words = set(_SECRET)
    for name in (*additions.variables, *additions.members):
        words.add(max(_RUN.findall(name.rpartition("/")[2].lower()), key=len))
    always, guarded = _grouped(words)

    def look(lower: bytes) -> bool:
        # A byte is a character here: `in` takes five times as long on bytes, as CPython takes them for a number first.
        text = lower.decode("latin-1")
        for word in always:
            if word in text:
                return True
        if _BEGINS_WITH_P(text) or _BEGINS_WITH_C(text):
            return True
        for guard, behind in guarded:
            if guard in text:
                for word in behind:
                    if word not in text:
                        continue
                    if word == "token":
                        # idToken is in many frames, so that "token" alone says nothing.
                        if text.count("token") > text.count("idtoken"):
                            return True
                    elif word != _ESCAPE or _ESCAPED.search(text):
                        return True
        return False

    return look


def for_personal(additions: Additions, known: KeysView[str]) -> Look:
    """A look for the names of personal values, and for `known`: words of those seen before."""
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
    """A name as a whole word, with underscores, and the last of its parts where it is written with dashes."""
    parts = [part.lower() for part in _CAMEL.findall(name)]
    forms = {name.lower(), "_".join(parts)}
    return forms | {parts[-1]} if len(parts) > 1 and len(parts[-1]) >= 5 else forms


def _grouped(words: Iterable[str]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Words without a rare character, and the others by their rarest one."""
    shortest = [word for word in words if not any(other != word and other in word for other in words)]
    groups: dict[str, list[str]] = {}
    for word in sorted(shortest):
        guard = next((char for char in _RARE if char in word), "")
        groups.setdefault(guard, []).append(word.encode().decode("latin-1"))
    return groups.pop("", []), list(groups.items())
