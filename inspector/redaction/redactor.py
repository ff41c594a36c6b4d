"""Hides what must not reach the disk: finds it in frames, events and findings; knows neither judge nor storage.

A secret is replaced by as many asterisks as it has characters, a personal value by its pseudonym (where that is
asked for); every other byte stays as it was. What is a secret is data: see `secret_names` and `sensitive_names`.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from inspector.protocol.frame import Frame
from inspector.protocol.messages import CallError, CallResult, CallResultError
from inspector.redaction import patterns, prefilter
from inspector.redaction.handshake import REDACTED
from inspector.redaction.json_tokens import (
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
from inspector.redaction.parsed_look import has_nothing, parsed
from inspector.redaction.pseudonyms import Pseudonyms
from inspector.redaction.secret_names import is_only_a_header, is_secret_header, is_secret_member, is_secret_name
from inspector.redaction.secrets import STRONG, Personal, Secrets, Span, merged, replaced, sentence_spans
from inspector.redaction.sensitive_names import PERSONAL, SECRET_MEMBERS, SECRET_TOKEN_TYPES, Additions, NameClassifier

LEVELS = ("secrets", "personal", "none")

_STATIONS_LIMIT = 20_000
_WORDS = frozenset({"true", "false", "null"})
_JSON_WITHIN = 30
"""How deep JSON in a string is looked into: at each depth the backslashes double, so that 16 MB hold no more."""
_REST = re.compile(r'"((?:[^"\\]++|\\.)++)', re.S)


class Redactor:
    """What one recorder hides.

    Its arguments are such as `marshal` can carry to a recorder process.
    """

    def __init__(
        self,
        level: str = "secrets",
        key: bytes | None = None,
        variables: Iterable[str] = (),
        members: Iterable[str] = (),
        personal: Iterable[str] = (),
    ) -> None:
        """Hide nothing at all at the level "none", personal values too at "personal", which needs a key.

        `variables`, `members` and `personal` are names beyond the built-in ones.
        """
        if level not in LEVELS or (level == "personal" and key is None):
            raise ValueError(f"no such redaction: {level}")
        added = Additions(tuple(variables), tuple(members), tuple(personal))
        self.enabled = level != "none"
        self._variables = NameClassifier(added.variables)
        self._members = NameClassifier((*SECRET_MEMBERS, *added.members))
        self._personal_names = NameClassifier((*PERSONAL, *added.personal)) if level == "personal" else None
        self._pseudonyms = Pseudonyms(key) if level == "personal" and key is not None else None
        self._may_hold_secrets = prefilter.for_secrets(added)
        self._stations: dict[str, Secrets] = {}
        self._personal = Personal()
        self._may_hold_personal = prefilter.for_personal(added, self._personal.words) if level == "personal" else None

    def secrets_of(self, charge_point_id: str | None) -> Secrets:
        """What is known of one charge point; kept over its connections."""
        found = self._stations.get(charge_point_id or "")
        if found is None:
            found = self._stations[charge_point_id or ""] = Secrets()
            if len(self._stations) > _STATIONS_LIMIT:
                del self._stations[next(iter(self._stations))]
        return found

    def frame(self, secrets: Secrets, frame: Frame) -> bytes | None:
        """A frame as it may be stored; None for almost every one, which has nothing to hide."""
        if not self.enabled:
            return None
        raw, message = frame.raw, frame.message
        if type(message) is CallResult and not (message.payload or message.problems):
            return None  # nearly every second frame: an answer that says nothing
        lower = raw.lower()
        if not (
            self._may_hold_secrets(lower)
            or secrets.may_be_in(raw)
            or (self._may_hold_personal is not None and self._may_hold_personal(lower))
        ):
            return None
        text = raw.decode("utf-8", "surrogateescape")
        look = _Look(self, secrets, frame.action or "", isinstance(frame.message, CallError | CallResultError))
        if look.finds_nothing(text):
            return None
        spans = look.over(text)
        if not spans:
            return None
        return replaced(text, spans).encode("utf-8", "surrogateescape")

    def sentence(self, secrets: Secrets, text: str) -> str:
        """A sentence of ours that may quote what frames held."""
        if not self.enabled or not (secrets.values or self._personal.values):
            return text
        return replaced(text, sentence_spans(text, secrets, self._personal))

    def text(self, secrets: Secrets, text: str) -> str:
        """Any text: a path, an address, a reason for closing."""
        if not self.enabled:
            return text
        look = _Look(self, secrets, "", True)
        return replaced(text, look.inside(text, 0))

    def detail(self, secrets: Secrets, detail: Any, member: str = "") -> Any:
        """An event's detail, or the facts of a session, value by value."""
        if not self.enabled:
            return detail
        if isinstance(detail, dict):
            return {name: self.detail(secrets, value, str(name)) for name, value in detail.items()}
        if isinstance(detail, list | tuple):
            if len(detail) == 2 and isinstance(detail[0], str) and isinstance(detail[1], str):
                return [detail[0], self._named(secrets, detail[0], detail[1], header=True)]
            return [self.detail(secrets, value, member) for value in detail]
        return self._named(secrets, member, detail) if isinstance(detail, str) else detail

    def _named(self, secrets: Secrets, name: str, value: str, *, header: bool = False) -> str:
        if REDACTED in value and name != "path":
            return value
        if (is_secret_header if header else is_only_a_header)(name) or self.is_secret(name):
            secrets.add([value])
            return REDACTED
        if self.is_personal(name):
            return self.pseudonym(value)
        if name == "payload":  # of a ping or pong, in hexadecimal
            return self._hexadecimal(secrets, value)
        return self.text(secrets, value)

    def _hexadecimal(self, secrets: Secrets, value: str) -> str:
        try:
            text = bytes.fromhex(value).decode("utf-8", "surrogateescape")
        except (ValueError, binascii.Error):
            return self.text(secrets, value)
        shown = self.text(secrets, text)
        return value if shown == text else shown.encode("utf-8", "surrogateescape").hex()

    @property
    def hides_personal(self) -> bool:
        """Whether pseudonyms are asked for."""
        return self._pseudonyms is not None

    @property
    def key_name(self) -> str | None:
        """What tells the key of its pseudonyms from others; None where there are none."""
        return self._pseudonyms.key_name if self._pseudonyms is not None else None

    def is_secret(self, name: str, parent: str = "") -> bool:
        """Whether a member of this name is a credential."""
        return is_secret_member(name) or self._members.has(name, parent)

    def is_secret_variable(self, name: str) -> bool:
        """Whether a configuration key or variable is one."""
        return is_secret_name(name) or self._variables.has(name)

    def is_personal(self, name: str, parent: str = "") -> bool:
        """Whether a member, key or variable tells of a person; never where pseudonyms are not asked for."""
        return self._personal_names is not None and self._personal_names.has(name, parent)

    @property
    def personal(self) -> Personal:
        """The personal values seen so far."""
        return self._personal

    def pseudonym(self, value: str) -> str:
        """The pseudonym of a text, which is remembered; an empty one stays empty."""
        assert self._pseudonyms is not None
        if not value.strip("*"):
            return value
        made = self._pseudonyms.of(value)
        self._personal.add(value, made)
        return made

    def pseudonym_of_number(self, literal: str) -> str:
        """The pseudonym of a JSON number."""
        assert self._pseudonyms is not None
        return self._pseudonyms.of_number(literal)


def as_config(arguments: dict[str, Any] | None) -> dict[str, str]:
    """What `recordings.config` says of the redaction with these arguments: its level, and which key it used."""
    redaction = Redactor(**(arguments or {}))
    said = {"redact": (arguments or {}).get("level", LEVELS[0])}
    return said if redaction.key_name is None else {**said, "redact_key": redaction.key_name}


def without_passwords(text: str) -> str:
    """An address or a few without what they hold of credentials."""
    return Redactor().text(Secrets(), text)


class _Look:
    """A close look at one text: what is to be replaced where."""

    def __init__(self, redaction: Redactor, secrets: Secrets, action: str, loose: bool) -> None:
        self._redaction = redaction
        self._secrets = secrets
        self._action = action
        self._loose = loose

    def finds_nothing(self, text: str, depth: int = 0) -> bool:
        """Tell, much sooner than `over` does, that there is nothing to replace; False where that is not certain."""
        value = parsed(text)

        def tells(inner: str) -> bool:
            if self._within(inner) or (self._knows_values and self._quoted(inner)):
                return True
            if depth >= _JSON_WITHIN or inner.lstrip()[:1] not in ("{", "["):
                return False
            return not self.finds_nothing(inner, depth + 1) and bool(self.over(inner, depth + 1))

        def name_tells(name: str) -> bool:
            return bool(self._secrets.values) and any(True for _ in self._secrets.spans(name, name=True))

        return value is not None and has_nothing(value, self._action, self._redaction, tells, name_tells)

    @property
    def _knows_values(self) -> bool:
        return bool(self._secrets.values or self._redaction.personal.values)

    def over(self, text: str, depth: int = 0) -> list[Span]:
        """What to replace in a frame, or in JSON that stands in a string of one."""
        places = read(text)
        told: dict[int, tuple[Leaf, bool]] = {}  # by where it starts: a value to hide, and whether it is personal
        for leaf, personal in self._walk(places.root):
            if leaf.start not in told or not personal:
                told[leaf.start] = leaf, personal
        broken = places.end < len(text) or not _is_json(text)
        if broken:
            unordered = places.leaves
        else:
            unordered = [(leaf, False) for leaf in without_object(places.root)] if depth == 0 else []
        for leaf in self._after_names(text, unordered):
            told.setdefault(leaf.start, (leaf, False))
        spans = list(self._hide(told))
        if broken:
            spans += self._within(text)
            rest = text[places.end :]
            spans += [
                Span(places.end + m.start(1), places.end + m.end(1), "*" * len(m[1])) for m in _REST.finditer(rest)
            ]
        for leaf, is_name in places.leaves:
            if leaf.start not in told and leaf.text not in _WORDS:
                spans += self._elsewhere(text, leaf, is_name, depth)
        return merged(spans)

    def _hide(self, told: dict[int, tuple[Leaf, bool]]) -> Iterator[Span]:
        self._secrets.add(leaf.text for leaf, personal in told.values() if not personal and leaf.text)
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
        """Values to hide by their names, and whether each is personal."""
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
                yield from secret.all_of(child)
            elif redaction.is_personal(name.text, parent):
                yield from ((leaf, True) for leaf in own_leaves(child))
        variables = list(variable_names(by_name))
        if any(map(redaction.is_secret_variable, variables)):
            yield from secret.all_of(*values(node, secret.attributes))
        if any(map(redaction.is_personal, variables)) and id(node) not in personal.whole:
            yield from personal.all_of(*values(node, personal.attributes))
        if any(kind.text.lower() in SECRET_TOKEN_TYPES for kind in own_leaves(*by_name.get("type", ()))):
            for token in ("idtoken", "additionalidtoken"):
                yield from ((leaf, False) for leaf in own_leaves(*by_name.get(token, ())))

    def _after_names(self, text: str, leaves: list[tuple[Leaf, bool]]) -> Iterator[Leaf]:
        """Where no object says what belongs together: every value behind a secret's name counts as one."""
        named = words_too = False
        for written, is_name in leaves:
            leaf = unquoted(written)
            told = self._redaction.is_secret(leaf.text) or self._redaction.is_secret_variable(leaf.text)
            if told or leaf.text.lower() in SECRET_TOKEN_TYPES:
                named = True
                # A word such as password in a sentence is no reason to star out the rest of it.
                words_too = words_too or is_set_off(text, written)
            elif not is_name and (named if leaf.string or leaf.number else words_too and not is_word(leaf.text)):
                yield leaf

    def _elsewhere(self, text: str, leaf: Leaf, is_name: bool, depth: int) -> list[Span]:
        """What to replace in a value that its name says nothing of."""
        if leaf.number:
            known = len(leaf.text) >= STRONG and leaf.text in self._secrets.values
            return [Span(leaf.start, leaf.end, "9" * len(leaf.text))] if known else []
        spans = list(self._secrets.spans(leaf.text, name=True)) if is_name else self.inside(leaf.text, depth)
        if not spans or not leaf.string:
            return [Span(leaf.start + start, leaf.start + end, new) for start, end, new in spans]
        raw = text[leaf.start : leaf.end]
        spans = merged(spans)
        places = [place for start, end, _ in spans for place in (start, end)]
        at = {place: place for place in places} if raw == leaf.text else places_in(raw, places)
        return [Span(leaf.start + at[start], leaf.start + at[end], escaped(new)) for start, end, new in spans]

    def inside(self, text: str, depth: int) -> list[Span]:
        """What to replace within a string."""
        spans = self._within(text) + self._quoted(text)
        if depth < _JSON_WITHIN and text.lstrip()[:1] in ("{", "["):
            spans += self.over(text, depth + 1)
        return merged(spans)

    def _quoted(self, text: str) -> list[Span]:
        spans = list(self._secrets.spans(text, loose=self._loose))
        if self._redaction.personal.values:
            spans += self._redaction.personal.spans(text, loose=self._loose)
        return spans

    def _within(self, text: str) -> list[Span]:
        redaction = self._redaction
        personal = redaction.is_personal if redaction.hides_personal else None
        spans = []
        for start, end, is_personal in patterns.find(text, redaction.is_secret, personal):
            value = text[start:end]
            if is_personal:
                new = redaction.pseudonym(value)
            else:
                new = "*" * len(value)
                self._secrets.add([value] if len(value) < 200 else [])
            spans.append(Span(start, end, new))
        return spans


class _Below:
    """Objects and lists in which everything is hidden already: however deep one name is within another, each value is
    yielded once.
    """

    def __init__(self, personal: bool) -> None:
        self._personal = personal
        self.whole: set[int] = set()
        """By `id`, which nothing else has as long as the text is looked at."""
        self.attributes: set[int] = set()
        """The lists of attributes whose values are hidden."""

    def inherit(self, outer: Node, inner: Node) -> None:
        if id(outer) in self.whole:
            self.whole.add(id(inner))

    def all_of(self, *nodes: Node) -> Iterator[tuple[Leaf, bool]]:
        for node in nodes:
            if id(node) not in self.whole:
                self.whole.add(id(node))
                yield from ((leaf, self._personal) for leaf in leaves_below(node))


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except ValueError:
        return False
    return True
