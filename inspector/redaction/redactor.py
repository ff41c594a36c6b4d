"""Hides what must not reach the disk: finds it in frames, events and findings; knows neither judge nor storage.

A secret is replaced by as many asterisks as it has characters, a personal value by its pseudonym (where that is
asked for); every other byte stays as it was. What is a secret is data: see `secret_names` and `sensitive_names`.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable
from typing import Any

from inspector.protocol.frame import Frame
from inspector.protocol.messages import CallError, CallResult, CallResultError
from inspector.redaction import prefilter
from inspector.redaction.close_look import CloseLook
from inspector.redaction.effort import TooMuch, unsearched
from inspector.redaction.handshake import REDACTED
from inspector.redaction.pseudonyms import Pseudonyms
from inspector.redaction.secret_names import is_only_a_header, is_secret_header, is_secret_member, is_secret_name
from inspector.redaction.secrets import Personal, Secrets, replaced, sentence_spans
from inspector.redaction.sensitive_names import PERSONAL, SECRET_MEMBERS, Additions, NameClassifier

LEVELS = ("secrets", "personal", "none")

_STATIONS_LIMIT = 20_000


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
        """A frame as it may be stored; None for almost every one, which has nothing to hide.

        Of one that takes too long to look through, the rest is starred out, and its notes say how many bytes that is.
        """
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
        loose = isinstance(frame.message, CallError | CallResultError)
        try:
            if CloseLook(self, secrets, frame.action or "", loose).finds_nothing(text):
                return None
        except TooMuch:
            pass  # the look that keeps what it has found gets as much again
        look = CloseLook(self, secrets, frame.action or "", loose)
        spans, end = look.at_frame(text)
        if not spans and end == len(text):
            return None
        stored = replaced(text[:end], spans)
        if end < len(text):
            rest = unsearched(text[end:])
            frame.notes = {**(frame.notes or {}), "unsearched": len(rest.encode("utf-8", "surrogateescape"))}
            stored += rest
        return stored.encode("utf-8", "surrogateescape")

    def sentence(self, secrets: Secrets, text: str) -> str:
        """A sentence of ours that may quote what frames held."""
        if not self.enabled or not (secrets.values or self._personal.values):
            return text
        return replaced(text, sentence_spans(text, secrets, self._personal))

    def text(self, secrets: Secrets, text: str) -> str:
        """Any text: a path, an address, a reason for closing."""
        if not self.enabled:
            return text
        try:
            return replaced(text, CloseLook(self, secrets, "", True).inside(text, 0))
        except TooMuch:
            return "*" * len(text)

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
