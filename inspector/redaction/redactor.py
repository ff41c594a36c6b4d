"""Hide secrets in frames, events and findings; with --redact personal, hide personal values too.

A secret is replaced by as many asterisks as it has characters, a personal value by its pseudonym. Every other byte
stays unchanged. `secret_names` and `sensitive_names` list the names of secrets.
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
    """Redacts the frames, events and findings of one recorder.

    The arguments of the constructor can be sent to a recorder process with `marshal`.
    """

    def __init__(
        self,
        level: str = "secrets",
        key: bytes | None = None,
        variables: Iterable[str] = (),
        members: Iterable[str] = (),
        personal: Iterable[str] = (),
    ) -> None:
        """Set what to hide: "none" hides nothing, "secrets" hides secrets, "personal" also personal values.

        Args:
            level: one of LEVELS.
            key: the key of the pseudonyms, which "personal" needs.
            variables, members, personal: names in addition to the built-in ones; see `Additions`.
        """
        if level not in LEVELS or (level == "personal" and key is None):
            raise ValueError(f"unknown redaction level: {level}")
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
        """Return the store of known secrets of one charge point; all its sessions share it."""
        found = self._stations.get(charge_point_id or "")
        if found is None:
            found = self._stations[charge_point_id or ""] = Secrets()
            if len(self._stations) > _STATIONS_LIMIT:
                del self._stations[next(iter(self._stations))]
        return found

    def frame(self, secrets: Secrets, frame: Frame) -> bytes | None:
        """Return the redacted bytes of a frame; None if it has nothing to hide, as is true for almost every frame.

        If searching it takes too long, the rest is starred out, and the frame gets the note `unsearched` with the
        number of these bytes.
        """
        if not self.enabled:
            return None
        raw, message = frame.raw, frame.message
        if type(message) is CallResult and not (message.payload or message.problems):
            return None  # an empty answer; nearly every second frame is one
        if not (
            self._may_hold_secrets(raw)
            or secrets.may_be_in(raw)
            or (self._may_hold_personal is not None and self._may_hold_personal(raw.lower()))
        ):
            return None
        text = raw.decode("utf-8", "surrogateescape")
        loose = isinstance(frame.message, CallError | CallResultError)
        try:
            if CloseLook(self, secrets, frame.action or "", loose).finds_nothing(text):
                return None
        except TooMuch:
            pass  # the next look has a budget of its own, and returns what it found if that is spent too
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
        """Return the sentence of a finding, which may quote a frame, with secrets and personal values hidden."""
        if not self.enabled or not (secrets.values or self._personal.values):
            return text
        return replaced(text, sentence_spans(text, secrets, self._personal))

    def text(self, secrets: Secrets, text: str) -> str:
        """Return a text, such as a path, an address or a close reason, with secrets and personal values hidden."""
        if not self.enabled:
            return text
        try:
            return replaced(text, CloseLook(self, secrets, "", True).inside(text, 0))
        except TooMuch:
            return "*" * len(text)

    def detail(self, secrets: Secrets, detail: Any, member: str = "") -> Any:
        """Return an event's detail or the facts of a session with each value redacted.

        `member` is the name of the member that contains `detail`.
        """
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
        if name == "payload":  # the payload of a ping or pong, in hexadecimal
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
        """Whether personal values are replaced by pseudonyms."""
        return self._pseudonyms is not None

    @property
    def key_name(self) -> str | None:
        """Eight characters that identify the key of the pseudonyms; None if personal values are not replaced."""
        return self._pseudonyms.key_name if self._pseudonyms is not None else None

    def is_secret(self, name: str, parent: str = "") -> bool:
        """Return whether the value of the member `name` in `parent` is a secret."""
        return is_secret_member(name) or self._members.has(name, parent)

    def is_secret_variable(self, name: str) -> bool:
        """Return whether the value of a configuration key or variable with this name is a secret."""
        return is_secret_name(name) or self._variables.has(name)

    def is_personal(self, name: str, parent: str = "") -> bool:
        """Return whether the value of a member, configuration key or variable is personal and must be replaced."""
        return self._personal_names is not None and self._personal_names.has(name, parent)

    @property
    def personal(self) -> Personal:
        """The personal values seen so far, with their pseudonyms."""
        return self._personal

    def pseudonym(self, value: str) -> str:
        """Return the pseudonym of a text and remember the text; an empty text stays empty."""
        assert self._pseudonyms is not None
        if not value.strip("*"):
            return value
        made = self._pseudonyms.of(value)
        self._personal.add(value, made)
        return made

    def pseudonym_of_number(self, literal: str) -> str:
        """Return the pseudonym of a JSON number."""
        assert self._pseudonyms is not None
        return self._pseudonyms.of_number(literal)


def as_config(arguments: dict[str, Any] | None) -> dict[str, str]:
    """Return the level and the key's name for the column `recordings.config`; `arguments` are those of Redactor."""
    redaction = Redactor(**(arguments or {}))
    said = {"redact": (arguments or {}).get("level", LEVELS[0])}
    return said if redaction.key_name is None else {**said, "redact_key": redaction.key_name}


def without_passwords(text: str) -> str:
    """Return a text without the credentials of the addresses in it."""
    return Redactor().text(Secrets(), text)
