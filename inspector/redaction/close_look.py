"""Find all parts of one frame or text that must be hidden, within a limited budget of steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import orjson

from inspector.redaction import ocpp_values, patterns
from inspector.redaction.effort import Effort, TooMuch
from inspector.redaction.json_tokens import (
    TOKEN_LIMIT,
    Items,
    Leaf,
    Members,
    Node,
    escaped,
    leaves_below,
    own_leaves,
    places_in,
    read,
)
from inspector.redaction.ocpp_values import is_set_off, is_word, unquoted, values, variable_names, without_object
from inspector.redaction.prefilter import Meaning, has_nothing, parsed
from inspector.redaction.secret_names import is_card
from inspector.redaction.secrets import SECRETS_LIMIT, STRONG, Known, Personal, Secrets, Span, merged
from inspector.redaction.sensitive_names import SECRET_TOKEN_TYPES

_WORDS = frozenset({"true", "false", "null"})
_JSON_WITHIN = 30
"""JSON in a string of JSON is searched to this depth. Backslashes double with each level: 16 MB cannot be deeper."""
_TOKEN_STEPS = 3
"""The cost in steps of reading a JSON token, placing it in the structure and classifying its name."""
_READ_STEPS = 0.002
"""The cost in steps of reading a character."""
_ESCAPE_STEPS = 0.3
_CHARACTER_STEPS = 0.6
"""The cost in steps, for each character, of searching a text for patterns of secrets."""
_BEHIND = 1000
"""If only a part of a text is searched, its last characters count as not searched: a secret may continue after it."""


class Hiding(Meaning, Protocol):
    """Decides which names are secret or personal, and makes pseudonyms for personal values."""

    @property
    def hides_personal(self) -> bool: ...

    @property
    def personal(self) -> Personal: ...

    def pseudonym(self, value: str) -> str: ...

    def pseudonym_of_number(self, literal: str) -> str: ...


class CloseLook:
    """Finds what to hide in one text, with at most `STEPS_LIMIT` steps."""

    def __init__(self, redaction: Hiding, secrets: Secrets, action: str, loose: bool) -> None:
        self._redaction = redaction
        self._secrets = secrets
        self._action = action
        self._loose = loose
        self._effort = Effort()
        self._known: Known | None = None
        """The known secrets that can occur in the text; None if all of them have to be searched for."""
        self._fresh: Known = {}
        """The secrets found in this look."""

    def finds_nothing(self, text: str, depth: int = 0) -> bool:
        """Return True if there is certainly nothing to hide, False if that is uncertain. Much faster than `over`."""
        self._effort.spend(len(text) * _READ_STEPS)
        value = parsed(text)
        if value is None:
            return False

        def tells(inner: str) -> bool:
            if self._within(inner) or (self._knows_values and self._quoted(inner)):
                return True
            if depth >= _JSON_WITHIN or inner.lstrip()[:1] not in ("{", "["):
                return False
            return not self.finds_nothing(inner, depth + 1) and bool(self.over(inner, depth + 1))

        def name_tells(name: str) -> bool:
            return any(True for _ in self._secrets_in(name, name=True))

        known = self._known
        self._know(text if "\\" not in text else None)
        nothing = has_nothing(value, self._action, self._redaction, tells, name_tells, self._effort)
        self._known = known
        return nothing

    @property
    def _knows_values(self) -> bool:
        return bool(self._secrets.values or self._redaction.personal.values)

    def at_frame(self, text: str) -> tuple[list[Span], int]:
        """Return the spans to replace in a frame, and the end of the part that was searched.

        The rest must not be stored.
        """
        try:
            return self._over(text, 0)
        except TooMuch:
            return [], 0

    def over(self, text: str, depth: int) -> list[Span]:
        """Return the spans to replace in a text that is JSON; `depth` counts the strings around it.

        Raises:
            TooMuch: the budget does not suffice.
        """
        spans, end = self._over(text, depth)
        if end < len(text):
            raise TooMuch
        return spans

    def _over(self, text: str, depth: int) -> tuple[list[Span], int]:
        self._effort.spend(len(text) * _READ_STEPS + text.count("\\") * _ESCAPE_STEPS)
        places = read(text, min(TOKEN_LIMIT, self._effort.left / 2 // _TOKEN_STEPS))
        self._effort.spend(_TOKEN_STEPS * places.tokens)
        told: dict[int, tuple[Leaf, bool]] = {}  # by position: a value to hide, and whether it is personal
        for leaf, personal in self._walk(places.root):
            if leaf.start not in told or not personal:
                told[leaf.start] = leaf, personal
        end = places.end
        broken = not _is_json(text)
        if broken:
            unordered = places.leaves
        else:
            unordered = [(leaf, False) for leaf in without_object(places.root)] if depth == 0 else []
        for leaf in self._after_names(text, unordered):
            told.setdefault(leaf.start, (leaf, False))
        spans = list(self._hide(told))
        if end < len(text):
            for leaf in _of_unfinished(places.unfinished):
                told[leaf.start] = leaf, False
                spans.append(Span(leaf.start, leaf.end, ("*" if leaf.string else "9") * (leaf.end - leaf.start)))
        if broken:
            end = self._affordable(text, end)
            spans += self._within(text[:end])
        known = self._known
        self._know("\0".join(leaf.text for leaf, _ in places.leaves))
        for leaf, is_name in places.leaves:
            if leaf.start >= end:
                break
            if leaf.start in told or leaf.text in _WORDS:
                continue
            try:
                spans += self._elsewhere(text, leaf, is_name, depth)
            except TooMuch:
                if depth:
                    raise
                end = leaf.start - leaf.string
                break
        self._known = known
        return [_cut(span, end) for span in merged(spans) if span.start < end], end

    def _affordable(self, text: str, end: int) -> int:
        """Return the end of the part of broken JSON for whose search as plain text the budget suffices.

        It is the end of the text, or a place after a blank or a quotation mark.
        """
        most = int(self._effort.left / _CHARACTER_STEPS / 2)
        if end == len(text) and end <= most:
            return end
        most = max(0, min(end, most) - _BEHIND)
        return max(0, *(text.rfind(mark, 0, most) + 1 for mark in " \t\n\"'"))

    def _know(self, text: str | None) -> None:
        """Set `_known` to the known secrets that occur in a text, so that its parts are searched only for those.

        Set it to None, for all secrets, if this search would cost too much. Pass None for a text with escapes, in which
        a secret may look different.
        """
        cost = len(self._secrets.quick) * (len(text or "") / 5000 + 0.1)
        if text is not None and cost < self._effort.left / 4:
            self._effort.spend(cost)
            self._known = self._secrets.occurring(text)
        else:
            self._known = None

    def _secrets_in(self, text: str, *, name: bool = False) -> Iterator[Span]:
        """Yield the places of known secrets in a text, including secrets that this look has found."""
        secrets = self._secrets
        if not secrets.values:
            return
        among = self._known
        forms = len(secrets.quick) if among is None else sum(map(len, among.values()))
        self._effort.spend((forms + 10 * len(self._fresh)) * (0.2 + len(text) / 5000))
        yield from secrets.spans(text, loose=self._loose and not name, name=name, among=among)
        if self._fresh:
            yield from secrets.spans(text, loose=self._loose and not name, name=name, among=self._fresh)

    def _hide(self, told: dict[int, tuple[Leaf, bool]]) -> Iterator[Span]:
        self._learn([leaf.text for leaf, personal in told.values() if not personal and leaf.text])
        for leaf, personal in told.values():
            if not leaf.text:
                continue
            if leaf.string:
                new = self._redaction.pseudonym(leaf.text) if personal else "*" * len(leaf.text)
                yield Span(leaf.start, leaf.end, escaped(new))
            elif leaf.number:
                new = self._redaction.pseudonym_of_number(leaf.text) if personal else "9" * len(leaf.text)
                yield Span(leaf.start, leaf.end, new)
            else:
                yield Span(leaf.start, leaf.end, "*" * (leaf.end - leaf.start))

    def _walk(self, root: Items) -> Iterator[tuple[Leaf, bool]]:
        """Yield the values to hide because of their names, and whether each is personal rather than secret."""
        secret, personal = _Below(False), _Below(True)
        waiting: list[tuple[Node, str]] = [(root, "")]
        while waiting:
            node, parent = waiting.pop()
            if isinstance(node, Members):
                yield from self._of_object(node, parent, secret, personal)
                for name, child in node.pairs:
                    if not isinstance(child, Leaf) and id(child) not in secret.whole:
                        personal.inherit(node, child)
                        waiting.append((child, name.text if name is not None else ""))
            elif isinstance(node, Items):
                yield from ((leaf, False) for leaf in ocpp_values.paired(node, parent, self._redaction.is_secret))
                for child in node.children:
                    if not isinstance(child, Leaf):
                        personal.inherit(node, child)
                        waiting.append((child, parent or self._action))

    def _of_object(self, node: Members, parent: str, secret: _Below, personal: _Below) -> Iterator[tuple[Leaf, bool]]:
        redaction = self._redaction
        by_name: dict[str, list[Node]] = {}
        for name, child in node.pairs:
            if name is None:
                continue
            by_name.setdefault(name.text.lower(), []).append(child)
            if redaction.is_secret(name.text, parent):
                if not (isinstance(child, Leaf) and is_card(name.text, child.text)):
                    yield from secret.all_of(child)
            elif redaction.is_personal(name.text, parent):
                yield from ((leaf, True) for leaf in own_leaves(child))
        variables = list(variable_names(by_name))
        if any(map(redaction.is_secret_variable, variables)):
            yield from secret.all_of(*values(node, secret.attributes))
        if any(map(redaction.is_personal, variables)) and id(node) not in personal.whole:
            yield from personal.all_of(*values(node, personal.attributes))
        yield from ((leaf, False) for leaf in ocpp_values.secret_by_type(by_name))

    def _after_names(self, text: str, leaves: list[tuple[Leaf, bool]]) -> Iterator[Leaf]:
        """Yield every value that comes after the name of a secret, for JSON that does not pair names with values."""
        named = words_too = False
        for written, is_name in leaves:
            leaf = unquoted(written)
            told = self._redaction.is_secret(leaf.text) or self._redaction.is_secret_variable(leaf.text)
            if told or leaf.text.lower() in SECRET_TOKEN_TYPES:
                named = True
                # The word "password" in a sentence does not make the rest of the sentence secret.
                words_too = words_too or is_set_off(text, written)
            elif not is_name and (named if leaf.string or leaf.number else words_too and not is_word(leaf.text)):
                yield leaf

    def _elsewhere(self, text: str, leaf: Leaf, is_name: bool, depth: int) -> list[Span]:
        """Return the spans to replace in a value whose own name is harmless."""
        self._effort.spend(1)
        if leaf.number:
            known = len(leaf.text) >= STRONG and leaf.text in self._secrets.values
            return [Span(leaf.start, leaf.end, "9" * len(leaf.text))] if known else []
        spans = list(self._secrets_in(leaf.text, name=True)) if is_name else self.inside(leaf.text, depth)
        if not spans or not leaf.string:
            return [Span(leaf.start + start, leaf.start + end, new) for start, end, new in spans]
        raw = text[leaf.start : leaf.end]
        self._effort.spend(raw.count("\\"))
        spans = merged(spans)
        places = [place for start, end, _ in spans for place in (start, end)]
        at = {place: place for place in places} if raw == leaf.text else places_in(raw, places)
        return [Span(leaf.start + at[start], leaf.start + at[end], escaped(new)) for start, end, new in spans]

    def inside(self, text: str, depth: int) -> list[Span]:
        """Return the spans to replace in a string, which may contain JSON; positions count from its beginning."""
        spans = self._within(text) + self._quoted(text)
        if depth < _JSON_WITHIN and text.lstrip()[:1] in ("{", "["):
            spans += self.over(text, depth + 1)
        return merged(spans)

    def _quoted(self, text: str) -> list[Span]:
        spans = list(self._secrets_in(text))
        if self._redaction.personal.values:
            self._effort.spend(len(text) / 4)
            spans += self._redaction.personal.spans(text, loose=self._loose, spend=self._effort.spend)
        return spans

    def _within(self, text: str) -> list[Span]:
        self._effort.spend(1 + _CHARACTER_STEPS * len(text))
        redaction = self._redaction
        personal = redaction.is_personal if redaction.hides_personal else None
        spans = []
        for start, end, is_personal in patterns.find(text, redaction.is_secret, personal):
            value = text[start:end]
            if is_personal:
                new = redaction.pseudonym(value)
            else:
                new = "*" * len(value)
                if len(value) < 200:
                    self._effort.spend(1 if value in self._secrets.values else 20)
                    self._learn([value])
            spans.append(Span(start, end, new))
        return spans

    def _learn(self, values: list[str]) -> None:
        """Remember secrets, so that the rest of the text is searched for them too."""
        self._secrets.add(values)
        for value in values[-SECRETS_LIMIT:]:
            if forms := self._secrets.values.get(value):
                self._fresh[value] = forms
        while len(self._fresh) > SECRETS_LIMIT:
            del self._fresh[next(iter(self._fresh))]


class _Below:
    """The objects and lists in which every value is hidden. Yields each value once, even if secret names are nested."""

    def __init__(self, personal: bool) -> None:
        self._personal = personal
        self.whole: set[int] = set()
        """The `id`s of these objects and lists, which exist until the look ends."""
        self.attributes: set[int] = set()
        """The `id`s of lists of attributes whose values are hidden."""

    def inherit(self, outer: Node, inner: Node) -> None:
        if id(outer) in self.whole:
            self.whole.add(id(inner))

    def all_of(self, *nodes: Node) -> Iterator[tuple[Leaf, bool]]:
        for node in nodes:
            if id(node) not in self.whole:
                self.whole.add(id(node))
                yield from ((leaf, self._personal) for leaf in leaves_below(node))


def _of_unfinished(objects: list[Members]) -> Iterator[Leaf]:
    """Yield the values to hide in nested objects that were read only in part.

    The rest of such an object may contain a name that makes them secret.
    """
    seen: set[int] = set()
    for node in objects:
        named = list(values(node, seen))
        for name, child in node.pairs:
            if isinstance(child, Leaf) or (name is not None and name.text.lower() in ("idtoken", "additionalidtoken")):
                yield from own_leaves(child)
        yield from leaves_below(*named)
        if node.pairs and any(child is node.pairs[-1][1] for child in named):
            return  # the remaining objects are inside the value just yielded


def _cut(span: Span, end: int) -> Span:
    return span if span.end <= end else Span(span.start, end, span.new[: end - span.start])


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except ValueError:
        return False
    return True
