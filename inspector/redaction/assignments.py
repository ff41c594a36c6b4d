"""Find values that follow a secret's name in any text: `NAME = VALUE`, YAML, headers, options, log lines.

A value in quotes ends at the closing quote. Any other value ends at the end of its line, at a separator (, ; & | or
a closing bracket) or at the next `NAME=`; a separator in the middle of a word is a part of the value. The time is
linear in the length of the text: no pattern has nested repetitions, and no part is searched twice for the end of a
value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from inspector.redaction.secret_names import is_card, is_only_a_header, is_secret_header, squeezed
from inspector.redaction.sections import Sections


class IsSecret(Protocol):
    """A function that returns whether values with this name are secret; `parent` is the name of what contains them."""

    def __call__(self, name: str, parent: str = "") -> bool: ...


type IsPersonal = Callable[[str], bool]
type Found = tuple[int, int, bool]
"""(start, end, whether the value is personal rather than secret)"""

NAMING = frozenset(
    """
    key name variable variablename parameter param setting option configurationkey configkey field property attribute
    item id label k n
    """.split()
)
"""Names whose value is the name of the next value, as in `key=AuthorizationKey value=…`."""
VALUES = frozenset(
    "value attributevalue newvalue actualvalue currentvalue configvalue val v string content text data to".split()
)
"""Names of a value that follows its own name, as `value` in `key=AuthorizationKey value=…`."""
SCHEMES = frozenset(
    "apikey basic bearer digest dpop hawk hoba jwt mutual negotiate ntlm oauth privatetoken token vapid".split()
)
"""Schemes of the header Authorization, in lower case. Any other word may be a part of the credentials."""

_QUOTE = r"\"{3}|'{3}|\\{0,31}[\"'`]|%22|%27|&quot;|&#34;|&apos;|&#39;|\\u0022|[“”„«»‘’]"
_OPENING = re.compile(rf"[(<\[{{]?[ \t]{{0,20}}({_QUOTE})")
_CLOSING = {"“": "”", "„": "“", "«": "»", "»": "«", "‘": "’"}
_NAMED = re.compile(
    r"(?:(?<![\w.\-])|(?<=%2[2367C])|(?<=%3F)|(?<=%7B))([^\W\d][\w.\-]{0,200})(?:\[\d{0,6}\])?\]?"
    rf"(?:{_QUOTE})?(?: ?\([^()\n]{{0,20}}\))?[ \t]{{0,20}}"
    r"(:=|=>|->|\\{0,3}[:=]|%(?:25)?3[ADad]|&#(?:58|61);|[|\t])[ \t]{0,20}"
)
_HEADER_PAIR = re.compile(r"(?<![\w\-])([A-Za-z][A-Za-z\-]{3,40})[\"'][ \t]{0,20},[ \t]{0,20}(?=[\"'])")
_OPTION = re.compile(r"(?<![^\s\"'])(?:--?|/)([A-Za-z][\w\-]{1,60})[ \t]{1,20}(?=[^\s\-/])")
_SPOKEN = re.compile(
    r"(?<![\w.\-])([^\W\d][\w.\-]{1,60})(?:(?: (?:is|was|to|now|by|set to|changed to))?[ \t]{1,20}(?=\S)|\( ?(?=[\"']))"
)
_SPEAKS = re.compile("p(?:ass|wd|sk|in|uk)|secret|key|cred|kennw|wachtw|contras|senha|parola|ifre|token|jwt|otp", re.I)
_NO_WORD = re.compile(
    r"(?!(?:SHA|MD5|AES|RSA|TLS|WPA|v)[\-_]?\d|\d+ ?(?:ms|s|min|h|d|days?|bytes?|bits?|chars?)\b)"
    r"(?:(?=\S{0,80}\d)(?=\S{0,80}[^\W\d])|(?=\d{4})|(?=\S{0,80}[!$%#§~^+]))\S{4}",
    re.I,
)
_NO_CARD = re.compile(r"(?![0-9A-Fa-f\-]{16,}(?![\w\-]))(?=\S{0,80}[a-z])[\w.\-+/=~]{16}")
_FORM_DATA = re.compile(r"\"[^\r\n]{0,200}(?:\r\n\r\n|\n\n)([^\r\n]{1,4000})")
"""Finds a value in multipart/form-data, which comes after the line with its name and an empty line."""
_BRACKETS = re.compile(r"[(\[{]{0,3}")
_BLOCK = re.compile(r"[|>][+\-]?\d?[ \t]{0,20}(?=[\r\n])")
_WORD = re.compile(r"[^\s\"']+")
_NEAR_WORD = re.compile(r"[^\s\"',;<>]{1,80}")
_END = re.compile(
    r"\\{0,31}[\"`]|'(?!\w)|[\r\n]|<(?=/|[A-Za-z][\w:.\-]{0,40}[\s>/])|/?>(?=\s|\Z|<)|%2[26]|%0[AD]|&(?:quot|apos|#3[49]);"
    r"|[,;&|](?=\s|\Z|[\w.\-]{1,60}[\"']?[:=])|[)\]}](?=\s|\Z|[,;)\]}])"
    r"|[ \t]{1,20}(?=[\w.\-]{1,60}[ \t]{0,3}(?:[:=]|->))"
)
_HEADER_END = re.compile(r"[\r\n\"',]")
_LINE_END = re.compile(r"[\r\n]")
_OF_SEVERAL = re.compile(r"(?:digest|hawk|mutual|hmac[\w\-]{0,20}|aws4[\w\-]{0,20}|vapid) ", re.I)
"""Schemes of Authorization with credentials of several `NAME="VALUE"`."""
_LONGEST = 4_000
"""The maximum length of an unquoted value in characters. If it is longer, only its first word is hidden."""
_PAIR_DISTANCE = 300
_JOINED = frozenset("key keys token tokens pin pass phrase code word".split())
"""Words that are judged together with the word before them: `API key` is secret, `second pass` is not."""
_PLAIN_WORD = 8
"""The first word of a value is also remembered as a secret of its own if it has at least so many letters.

A shorter one may be an ordinary word at the beginning of a sentence.
"""


def find(text: str, is_secret: IsSecret, is_personal: IsPersonal | None) -> Iterator[Found]:
    """Yield the values whose name is secret according to `is_secret`, or personal according to `is_personal`."""
    reached = 0
    for start, end, personal in _behind_marks(text, is_secret, is_personal):
        yield start, end, personal
    for match in _HEADER_PAIR.finditer(text):
        if match.end() >= reached and _is_header(match[1]):
            for start, reached in _header_value(text, match.end(), to_line_end=True):
                yield start, reached, False
    if not _SPEAKS.search(text):
        return
    for pattern in (_OPTION, _SPOKEN):
        reached = 0
        sections = Sections(text)
        for match in pattern.finditer(text):
            if match.end() < reached or not is_secret(match[1], sections.of(match.start())):
                continue
            if pattern is _OPTION or _is_value_spoken(text, match):
                for start, reached in _one_word(text, match.end()):
                    yield start, reached, False


def _behind_marks(text: str, is_secret: IsSecret, is_personal: IsPersonal | None) -> Iterator[Found]:
    reached = 0
    named_at = -_PAIR_DISTANCE
    sections = Sections(text)
    spans: Iterable[tuple[int, int]]
    for match in _NAMED.finditer(text):
        if match.start() < reached:
            continue
        name, at = match[1], match.end()
        plain = squeezed(name)
        if is_only_a_header(name) or (match[2] == ":" and _is_header(name)):
            spans = _header_value(text, at, to_line_end="cookie" in plain)
        elif _is_secret(text, match, is_secret):
            found = list(_value(text, at, match.start()))
            spans = [] if any(is_card(name, text[start:end]) for start, end in found) else found
        elif plain in VALUES and match.start() - named_at < _PAIR_DISTANCE:
            spans = _value(text, at, match.start())
            named_at = -_PAIR_DISTANCE
        elif is_personal is not None and is_personal(name):
            for start, reached in _one_word(text, at):
                yield start, reached, True
            continue
        elif plain in NAMING and (named := _named(text, at, is_secret)):
            named_at = match.start()
            if form := _FORM_DATA.match(text, named):
                yield form.start(1), form.end(1), False
            continue
        elif (parent := sections.of(match.start())) and is_secret(name, parent):
            spans = _value(text, at, match.start())
        else:
            continue
        for start, end in spans:
            yield start, end, False
            reached = max(reached, end)


def _named(text: str, at: int, is_secret: IsSecret) -> int:
    """Return where the value at `at` ends if that value is itself the name of a secret, otherwise 0."""
    opening = _OPENING.match(text, at)
    named = _NEAR_WORD.match(text, opening.end() if opening else at)
    return named.end() if named and is_secret(named[0].rstrip(")]}\\")) else 0


def _is_header(name: str) -> bool:
    """Return whether a name in a text is an HTTP header with a secret; a word such as `re-key` is not."""
    return is_only_a_header(name) or (name[:2].lower() in ("x-", "oc") and "-" in name and is_secret_header(name))


def _is_secret(text: str, match: re.Match[str], is_secret: IsSecret) -> bool:
    name = match[1]
    if name.lower() in _JOINED and text[match.start() - 1 : match.start()] == " ":
        before = text[max(0, match.start() - 30) : match.start()].split()
        return is_secret(f"{before[-1]} {name}" if before else name)
    return is_secret(name)


def _is_value_spoken(text: str, match: re.Match[str]) -> bool:
    """Return whether the text after a name without a `=` or `:` is its value: it is quoted or not an ordinary word."""
    if text[match.end()] in "\"'`“„«":
        return True
    found = _NO_WORD.match(text, match.end())
    # A token that is short or hexadecimal may be the number of a card.
    return found is not None and ("token" not in match[1].lower() or _NO_CARD.match(text, match.end()) is not None)


def _value(text: str, at: int, name_at: int) -> Iterator[tuple[int, int]]:
    opening = _OPENING.match(text, at)
    if opening:
        end = _closing(text, opening.end(), opening[1])
        behind = text[end + len(opening[1]) : end + 40] if text[at] in "[{" else ""
        if behind.lstrip()[:1] != ":":  # with a colon it is an object, whose members have names of their own
            yield opening.end(), end
        return
    if at >= len(text) or text[at] in "\r\n" or _BLOCK.match(text, at):
        yield from _block(text, at, name_at)
        return
    brackets = _BRACKETS.match(text, at)
    start = brackets.end() if brackets else at
    first = _WORD.match(text, start)
    if first is None:
        return
    found = _END.search(text, start, start + _LONGEST)
    end = found.start() if found else (len(text) if len(text) - start <= _LONGEST else first.end())
    word = text[start:end].split(None, 1)[0] if text[start:end].strip() else ""
    if len(word) < end - start and not (word.isalpha() and len(word) < _PLAIN_WORD):
        yield start, start + len(word)
    if word:
        yield start, end


def _closing(text: str, start: int, quote: str) -> int:
    """Return the position of the closing quote of a value, or the end of the text if there is none."""
    mark = _CLOSING.get(quote, quote)
    at = text.find(mark, start)
    while at > start and len(mark) == 1 and text[at - 1] == "\\" and text[at - 2 : at] != "\\\\":
        at = text.find(mark, at + 1)
    return at if at >= 0 else len(text)


def _block(text: str, at: int, name_at: int) -> Iterator[tuple[int, int]]:
    """Yield the lines of a YAML value: those below its name that are indented more than the name."""
    before = text[text.rfind("\n", max(0, name_at - 200), name_at) + 1 : name_at]
    at = text.find("\n", at) + 1
    if any(map(str.isalnum, before)) or not at:
        return
    indent = sum(map(before.count, " \t-"))  # not the length of `before`, which may begin with a byte order mark
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        line = text[at:end]
        value = line.strip(" \t\r")
        if value and line.index(value[0]) <= indent:
            return
        if value.removeprefix("- "):
            start = at + line.index(value[0]) + (2 if value.startswith("- ") else 0)
            yield start, at + len(line.rstrip())
        at = end + 1


def _header_value(text: str, at: int, *, to_line_end: bool) -> Iterator[tuple[int, int]]:
    """Yield the position of a header's credentials: from its scheme to the closing quote or the end of the value."""
    opening = _OPENING.match(text, at)
    start = opening.end() if opening else at
    if opening:
        end = _closing(text, start, opening[1])
    else:
        several = to_line_end or _OF_SEVERAL.match(text, start)
        found = (_LINE_END if several else _HEADER_END).search(text, start)
        end = found.start() if found else len(text)
    scheme, _, given = text[start:end].partition(" ")
    if given.strip() and scheme.lower() in SCHEMES:
        start = end - len(given.lstrip())
    if end > start:
        yield start, end


def _one_word(text: str, at: int) -> Iterator[tuple[int, int]]:
    opening = _OPENING.match(text, at)
    if opening:
        yield opening.end(), _closing(text, opening.end(), opening[1])
    elif (word := _WORD.match(text, at)) and (shown := re.split(r"[,;&}\])]", word[0], maxsplit=1)[0].rstrip(".:!?")):
        yield at, at + len(shown)
