"""Remember hidden values, and find them wherever they are quoted later.

They are kept in memory only, and a limited number of them: secrets for each charge point, personal values for the whole
recording.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator, KeysView
from typing import NamedTuple
from urllib.parse import quote

from inspector.redaction.json_tokens import escaped
from inspector.redaction.prefilter import WORD

SECRETS_LIMIT = 100
"""At most so many secrets of one charge point are searched for in every frame; the oldest is dropped first."""
OLDER_LIMIT, OLDER_LENGTH = 1_000, 200
"""At most OLDER_LIMIT of the dropped secrets are still searched for in findings, which may quote an old frame.

Dropped secrets with more than OLDER_LENGTH characters are forgotten.
"""
SECRET_LENGTH = 5_000
"""At most so many characters of a secret are remembered; keys and certificates have fewer.

The beginning of a longer secret is enough to find it where a finding quotes it.
"""
PERSONAL_LIMIT = 200_000
PERSONAL_LENGTH = 1_000
"""At most so many characters of a personal value are remembered."""
SHORTEST = 4
"""Values with fewer characters are searched for only in quotation marks."""
STRONG = 8
"""Secrets with so many characters are searched for inside words too."""

_QUOTED = {
    quotes: re.compile("|".join(rf"{quote}((?:[^{quote}\\]++|\\.?)*+)({quote}|\Z)" for quote in quotes), re.S)
    for quotes in ("'\"", "'", '"')
}
"""For some quotation marks, the pattern that finds the next text between two of them."""
_HEXADECIMAL = re.compile(r"(?:[0-9A-Fa-f]{2}){8,64}")
_NUMERIC = re.compile(r"\s*-?\d+(\.\d+)?\s*")


type Known = dict[str, tuple[str, ...]]
"""Secrets, each with all forms in which it may be written, such as base64."""


class Span(NamedTuple):
    """A part of a text and its replacement."""

    start: int
    end: int
    new: str


class Secrets:
    """The secrets that occurred in the sessions of one charge point, each in all forms in which it may be written."""

    __slots__ = ("_older", "_quick", "values")

    def __init__(self) -> None:
        self.values: dict[str, tuple[str, ...]] = {}
        self._older: dict[str, tuple[str, ...]] = {}
        self._quick: tuple[bytes, ...] | None = ()

    def add(self, values: Iterable[str]) -> None:
        """Remember secrets; ignore values of asterisks, which are hidden already."""
        cut = (value[:SECRET_LENGTH].replace("\0", "") for value in values)  # UTF-16 read byte by byte has NULs
        fresh = dict.fromkeys(value for value in cut if value.strip("*") and value not in self.values)
        if not fresh:
            return
        for value in list(fresh)[-SECRETS_LIMIT:]:
            self.values[value] = _forms(value)
        while len(self.values) > SECRETS_LIMIT:
            oldest = next(iter(self.values))
            del self.values[oldest]
            if len(oldest) <= OLDER_LENGTH:
                self._older[oldest] = _plain_forms(oldest)
        while len(self._older) > OLDER_LIMIT:
            del self._older[next(iter(self._older))]
        self._quick = None

    @property
    def for_findings(self) -> Known:
        """The secrets that are searched for in findings: the remembered ones, and older ones in their plain forms."""
        return {**self._older, **self.values} if self._older else self.values

    @property
    def quick(self) -> tuple[bytes, ...]:
        """The forms that are searched for in every frame."""
        if self._quick is None:
            looked_for = [form for value, forms in self.values.items() if len(value) >= SHORTEST for form in forms]
            # Forms with NULs are not needed here, because a frame with NULs gets the close look anyway.
            self._quick = tuple({form.encode("utf-8", "surrogatepass") for form in looked_for if "\0" not in form})
        return self._quick

    def may_be_in(self, raw: bytes) -> bool:
        """Search a frame quickly; return whether it may quote a secret."""
        for form in self._quick if self._quick is not None else self.quick:  # noqa: SIM110 - `any` costs twice as much
            if raw.find(form) >= 0:  # faster than `in`, which first tries to read the bytes as a number
                return True
        return False

    def occurring(self, text: str, known: Known | None = None) -> Known:
        """Return the secrets that occur in a text, each with the forms that occur.

        For parts of this text, pass the result to `spans`, which then searches only for these.
        """
        found: Known = {}
        for value, forms in (self.values if known is None else known).items():
            if held := tuple(form for form in forms if form in text):
                found[value] = held
        return found

    def spans(
        self, text: str, *, loose: bool = False, name: bool = False, among: Known | None = None
    ) -> Iterator[Span]:
        """Yield the places where a text quotes secrets.

        Args:
            text: any string.
            loose: whether short secrets and plain words count too, as in a text about an error.
            name: whether the text is a member's name, in which only long secrets count.
            among: the secrets to search for; None for all.
        """
        known = self.values if among is None else among
        numeric = bool(known) and _NUMERIC.fullmatch(text) is not None
        for value, forms in known.items():
            # A password may be a word such as Available, and a PIN may equal a meter reading; those stay readable.
            word = len(value) < 2 * STRONG and value.isalpha()
            strong = len(value) >= STRONG and not word
            likely = len(value) >= SHORTEST and not name and not numeric and (not word or " " in text)
            if not (strong or likely or (loose and (len(value) >= SHORTEST or text == value))):
                continue
            for form in forms:
                yield from _found(text, form, "*" * len(form), within_words=strong)


class Personal:
    """Personal values with their pseudonyms, indexed by their longest word."""

    __slots__ = ("_by_word", "_long", "values")

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self._by_word: dict[str, list[str]] = {}
        self._long: dict[str, list[str]] = {}

    def add(self, value: str, pseudonym: str) -> None:
        """Remember a personal value and its pseudonym; upper and lower case make no difference."""
        folded, pseudonym = value[:PERSONAL_LENGTH].lower(), pseudonym[:PERSONAL_LENGTH]
        if folded in self.values or folded == pseudonym:
            return
        if len(self.values) >= PERSONAL_LIMIT:
            self._forget(next(iter(self.values)))
        self.values[folded] = pseudonym
        if words := WORD.findall(folded):
            self._by_word.setdefault(max(words, key=len), []).append(folded)
        if len(folded) > _CUT:
            self._long.setdefault(folded[:_CUT], []).append(folded)

    def _forget(self, folded: str) -> None:
        del self.values[folded]
        words = WORD.findall(folded)
        for index, key in ((self._by_word, max(words, key=len) if words else ""), (self._long, folded[:_CUT])):
            if folded in (listed := index.get(key, [])):
                listed.remove(folded)
                if not listed:
                    del index[key]

    @property
    def words(self) -> KeysView[str]:
        """The longest word of each value, in lower case; a text without any of these words quotes no value."""
        return self._by_word.keys()

    def spans(self, text: str, *, loose: bool, spend: Callable[[float], None] = lambda steps: None) -> Iterator[Span]:
        """Yield the places where a text quotes personal values.

        Args:
            text: any string.
            loose: whether short values and values without digits count too, as in a text about an error.
            spend: called before each search with its cost in steps; it may raise an exception to end the search.
        """
        folded = text.lower()
        if len(folded) != len(text) or not self.values:
            return
        if loose and (pseudonym := self.values.get(folded)):
            yield Span(0, len(text), pseudonym)
            return
        if not loose and _NUMERIC.fullmatch(text):
            return  # the text may be a meter reading that has the same digits as a tag
        for word in set(WORD.findall(folded)):
            values = self._by_word.get(word, ())
            spend(len(values) * (0.2 + len(text) / 5000))  # thousands of values may share a word
            for value in values:
                telling = len(value) >= 6 and any(c.isdigit() for c in value)
                if telling or (len(value) >= SHORTEST and (loose or " " in text)):
                    yield from _found(folded, value, self.values[value], within_words=False)

    def cut_short(self, quoted: str) -> Iterator[str]:
        """Yield the pseudonyms of the long values that begin with `quoted`."""
        folded = quoted.lower()
        for value in self._long.get(folded[:_CUT], ()):
            if value.startswith(folded):
                yield self.values[value]


_CUT = 16
_SHORT = 32
"""A value with at most so many characters may be compared at every position, which is fast enough."""


def sentence_spans(text: str, secrets: Secrets, personal: Personal) -> Iterator[Span]:
    """Yield the places where the sentence of a finding quotes hidden values, in full or cut short."""
    known = secrets.for_findings
    yield from secrets.spans(text, loose=True, among=secrets.occurring(text, known))
    yield from personal.spans(text, loose=True)
    for value, forms in known.items():
        for form in forms:
            if form[:SHORTEST] in text:
                plain = form in _plain_forms(value)
                yield from _beginnings(text, form, SHORTEST if plain else STRONG)
    for start, end in _quotes(text):
        quoted = text[start:end]
        unquoted = quoted.replace("\\'", "'").replace("\\\\", "\\")
        if quoted in known or unquoted in known:
            yield Span(start, end, "*" * (end - start))
        pseudonym = personal.values.get(unquoted.lower())
        if pseudonym is None and len(unquoted) >= _CUT:
            pseudonym = next(personal.cut_short(unquoted.rstrip("…")), None)
        if pseudonym is not None:
            yield Span(start, end, pseudonym)


def _quotes(text: str) -> Iterator[tuple[int, int]]:
    """Yield the positions of texts in single or double quotes."""
    marks, at = "'\"", 0
    while marks and (match := _QUOTED[marks].search(text, at)):
        inner = 1 if match[1] is not None else 3
        if match[inner + 1]:
            yield match.span(inner)
            at = match.end()
        else:  # no mark of this kind closes the text: it is an apostrophe, for example; ignore the kind from here on
            marks = marks.replace(text[match.start()], "")
            at = match.start() + 1


def _beginnings(text: str, form: str, shortest: int) -> Iterator[Span]:
    """Yield the places where a text quotes at least the first `shortest` characters of a secret.

    The quoted part must not be followed by a letter or digit.
    """
    if len(form) <= shortest:
        return
    at = text.find(form[:shortest])
    while at >= 0:
        length = shortest
        while length < len(form) and text[at + length : at + length + 1] == form[length]:
            length += 1
        if not text[at + length : at + length + 1].isalnum():
            yield Span(at, at + length, "*" * length)
        at = text.find(form[:shortest], at + 1)


def _found(text: str, value: str, new: str, *, within_words: bool) -> Iterator[Span]:
    """Yield the places where a value occurs, with its replacement `new`.

    If occurrences overlap, the part after the first is starred out. If `within_words` is False, a value that is a part
    of a longer word does not count.
    """
    covered = reached = 0
    for at in _places(text, value):
        end = at + len(value)
        # The value is a part of a longer word only if there are letters or digits on both sides of its boundary.
        before = at == 0 or not (text[at - 1].isalnum() and value[0].isalnum())
        after = end == len(text) or not (text[end].isalnum() and value[-1].isalnum())
        if not (within_words or (before and after)):
            continue
        if at >= reached:
            if reached > covered:
                yield Span(covered, reached, "*" * (reached - covered))
            yield Span(at, end, new)
            covered = end
        reached = end
    if reached > covered:
        yield Span(covered, reached, "*" * (reached - covered))


def _places(text: str, value: str) -> Iterator[int]:
    """Yield every position at which a value begins, even if occurrences overlap, in linear time."""
    at = text.find(value)
    period = 1 if len(value) <= _SHORT else 0
    while at >= 0:
        yield at
        if len(value) <= _SHORT:
            at = text.find(value, at + 1)
            continue
        period = period or _period(value)
        end = at + len(value)
        # If the value repeats itself, compare only the last period, because the rest is known to match.
        at = at + period if text.startswith(value[-period:], end) else text.find(value, at + period)


def _period(value: str) -> int:
    """Return the smallest distance at which a text can overlap itself.

    It is computed with the failure function of Knuth, Morris and Pratt.
    """
    borders = [0] * len(value)
    length = 0
    for at in range(1, len(value)):
        while length and value[at] != value[length]:
            length = borders[length - 1]
        if value[at] == value[length]:
            length += 1
        borders[at] = length
    return len(value) - length


def _plain_forms(value: str) -> tuple[str, ...]:
    """Return the forms in which a secret may be written in text, JSON and Python."""
    return value, escaped(value), repr(value)[1:-1]


def _forms(value: str) -> tuple[str, ...]:
    """Return the forms in which a secret may be written: text, JSON, Python, UTF-16, URLs, base64, hexadecimal."""
    forms = [*_plain_forms(value), json.dumps(value)[1:-1], "\0".join(value)]
    if _HEXADECIMAL.fullmatch(value):  # it may be an AuthorizationKey, whose bytes are the password
        password = bytes.fromhex(value).decode("latin-1")
        forms += [value.upper(), value.lower(), *([password] if password.isprintable() else [])]
    if len(value) >= STRONG:
        data = value.encode("utf-8", "surrogatepass")
        forms += [quote(data, safe=""), data.hex(), data.hex().upper()]
        # As a part of a longer text in base64, it has three forms. Leave out the characters that also depend on the
        # neighbouring text.
        for skipped in range(3):
            coded = base64.b64encode(b"\0" * skipped + data).decode()
            forms.append(coded[(0, 2, 3)[skipped] : len(coded.rstrip("=")) - (1 if coded.endswith("=") else 0)])
    return tuple(dict.fromkeys(forms))


def merged(spans: Iterable[Span]) -> list[Span]:
    """Return spans sorted and without overlaps. Of a span that overlaps an earlier one, the rest is starred out."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        reached = kept[-1].end if kept else 0
        if span.start >= reached:
            kept.append(span)
        elif span.end > reached:
            kept.append(Span(reached, span.end, "*" * (span.end - reached)))
    return kept


def replaced(text: str, spans: Iterable[Span]) -> str:
    """Return the text with all spans replaced."""
    parts: list[str] = []
    at = 0
    for start, end, new in merged(spans):
        parts += [text[at:start], new]
        at = end
    return "".join([*parts, text[at:]]) if parts else text
