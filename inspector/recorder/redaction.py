"""Keeps secrets from the disk: finds credentials in a frame and stars them out; knows no storage.

A secret is replaced by as many asterisks as it has characters, so that the frame keeps its length, its types
and every other byte. What is a secret is data: names of configuration keys and variables, names of members,
and a few forms (PIN tokens, private keys, passwords inside URLs).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from inspector.protocol.session import Frame

SECRET_NAMES = frozenset({"authorizationkey", "basicauthpassword", "password", "privatekey", "apnpassword"})
"""Configuration keys (1.6) and variables (2.x) whose values are credentials, in lower case."""

SECRET_MEMBERS = frozenset({"apnPassword", "basicAuthPassword", "password", "authorizationKey", "privateKey"})
"""Members whose string value is a credential wherever they occur (SetNetworkProfile has some)."""

_VALUE_MEMBERS = ("value", "attributeValue", "actualValue", "currentValue")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:)?', re.S)
_URL_PASSWORD = re.compile(r"\b[a-z][a-z0-9+.-]*://[^/\s:@\"]*:([^/\s@\"]+)@", re.I)
_OPEN_STRING = re.compile(r'"((?:[^"\\]|\\.)*)\Z', re.S)
_COMMON = ("key", "password")
_SHORTEST_QUOTE = 4
_REMEMBERED_CALLS = 200


@dataclass
class Redaction:
    """What to redact, and the secrets of CALLs, by message id, whose answers may quote them.

    Attributes:
        names: configuration keys and variables, in lower case.
        members: member names.
        enabled: False stores everything as it was, which the user must ask for.
    """

    names: frozenset[str] = SECRET_NAMES
    members: frozenset[str] = SECRET_MEMBERS
    enabled: bool = True
    _of_calls: dict[str, frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # An escaped letter could hide a name from this quick look, so frames with \u are looked at closely.
        words = {"keycode", "private key", "://", "\\u", *self.names, *(member.lower() for member in self.members)}
        # Fewer, shorter words find the same frames: "key" finds all that "authorizationkey" would.
        shortest = {word for word in words if not any(other in word for other in _COMMON)} | set(_COMMON)
        self._words = tuple(sorted(word.encode() for word in shortest))

    def _may_hold_secrets(self, raw: bytes) -> bool:
        lower = raw.lower()
        for word in self._words:  # noqa: SIM110 - on every frame: a loop costs half of what `any` does
            if word in lower:
                return True
        return False

    def secrets(self, frame: Frame) -> frozenset[str]:
        """The secrets that a frame holds, or that the CALL it answers held; empty for almost every frame."""
        if not self.enabled:
            return frozenset()
        found: frozenset[str] = frozenset()
        message_id = frame.message.message_id or ""
        if self._of_calls and frame.standing is not None:
            found = self._of_calls.get(message_id, found)
        if self._may_hold_secrets(frame.raw):
            found |= frozenset(self._in_message(frame))
            if found and frame.standing is None:
                self._of_calls[message_id] = found
                if len(self._of_calls) > _REMEMBERED_CALLS:
                    del self._of_calls[next(iter(self._of_calls))]
        return found

    def _in_message(self, frame: Frame) -> Iterator[str]:
        parts = [part for part in frame.message if isinstance(part, dict | list)]
        payloads = [part for part in parts if part]
        if payloads:
            for payload in payloads:
                yield from self._walk(payload)
            return
        # Not readable as JSON: whatever string stands behind a secret's name counts as secret.
        text = frame.raw.decode("utf-8", "replace")
        named = False
        for token in [*_STRING.finditer(text), *_OPEN_STRING.finditer(text)]:
            value = _decoded(token[1])
            if named and value and not (token.re is _STRING and token[2]):
                yield value
            named = named or value.lower() in self.names or value in self.members or value == "KeyCode"
            yield from _forms(value)

    def _walk(self, node: Any) -> Iterator[str]:
        if isinstance(node, str):
            yield from _forms(node)
        elif isinstance(node, list):
            for child in node:
                yield from self._walk(child)
        elif isinstance(node, dict):
            variable = node.get("variable")
            name = node.get("key") if "value" in node else None
            name = variable.get("name") if isinstance(variable, dict) else name
            if isinstance(name, str) and name.lower() in self.names:
                yield from _values(node)
            if node.get("type") == "KeyCode":
                yield from _strings(node.get("idToken"))
            vpn = node.get("vpn")
            if isinstance(vpn, dict):
                yield from _strings(vpn.get("key"))
            for member, child in node.items():
                if member in self.members:
                    yield from _strings(child)
                yield from self._walk(child)


def star_out(raw: bytes, secrets: frozenset[str]) -> bytes:
    """The frame with its secrets replaced, every other byte as it was; undecodable bytes are kept."""
    text = raw.decode("utf-8", "surrogateescape")

    def starred(token: re.Match[str]) -> str:
        if token.re is _STRING and token[2]:
            return token[0]  # a member's name
        value = _decoded(token[1])
        hidden = value
        for secret in secrets:
            hidden = hidden.replace(secret, "*" * len(secret))
        if hidden == value:
            return token[0]
        closed = '"' if token.re is _STRING else ""
        return f"{json.dumps(hidden, ensure_ascii=False)[:-1]}{closed}"

    text = _OPEN_STRING.sub(starred, _STRING.sub(starred, text))
    for secret in secrets:
        if _NUMBER.fullmatch(secret):
            text = re.sub(rf"(?<=[:\[,\s]){re.escape(secret)}(?=[\],}}\s])", "0", text)
    return text.encode("utf-8", "surrogateescape")


def scrub(text: str, secrets: frozenset[str]) -> str:
    """A sentence with every secret, and every beginning of one that it may quote cut short, replaced."""
    for secret in secrets:
        forms = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
        beginnings = {
            form[:length] for form in forms for length in range(min(_SHORTEST_QUOTE, len(form)), len(form) + 1)
        }
        for beginning in sorted(beginnings, key=len, reverse=True):
            text = text.replace(beginning, "*" * len(beginning))
    return text


_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")


def _values(node: dict[str, Any]) -> Iterator[str]:
    for member in _VALUE_MEMBERS:
        yield from _strings(node.get(member))
    attributes = node.get("variableAttribute")
    if isinstance(attributes, list):
        for attribute in attributes:
            if isinstance(attribute, dict):
                yield from _values(attribute)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if value:
            yield value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, list):
        for child in value:
            yield from _strings(child)
    elif isinstance(value, dict):
        for child in value.values():
            yield from _strings(child)


def _forms(value: str) -> Iterator[str]:
    if "PRIVATE KEY-----" in value:
        yield value
    for found in _URL_PASSWORD.finditer(value):
        yield found[1]


def _decoded(token: str) -> str:
    try:
        return str(json.loads(f'"{token}"', strict=False))
    except ValueError:
        return token
