"""Find secrets in XML: elements and attributes with a secret name, and elements that another element names.

Examples: `<password>…</password>`, and `<key>AuthorizationKey</key><value>…</value>`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from inspector.redaction.assignments import NAMING, VALUES, IsSecret
from inspector.redaction.secret_names import is_card, squeezed

_TAG = re.compile(r"<(/?)(?:[\w.\-]{1,60}:)?([\w.\-]{1,80})((?:\s[^<>]{0,4000})?)>")
_ATTRIBUTE = re.compile(r"(?<![\w.\-])(?:[\w.\-]{1,60}:)?([\w.\-]{1,60})\s{0,20}=\s{0,20}(?:\"([^\"]*)\"|'([^']*)')")
_NAMED_FOR = 8
"""After an element that names a secret, its value is expected within so many tags."""
_DEEPEST = 50


def find(text: str, is_secret: IsSecret) -> Iterator[tuple[int, int]]:
    """Yield the positions of secret attributes and of the secret content of elements."""
    if "<" not in text:
        return
    parents: list[str] = []
    hidden_in = inside = ""
    content_from = named = 0
    for tag in _TAG.finditer(text):
        closing, element, attributes = bool(tag[1]), tag[2], tag[3]
        start, end = content_from, tag.start()
        content = text[start : min(end, start + 200)].strip()
        if hidden_in:
            if not (closing and element == hidden_in):
                continue
            hidden_in = ""
            if squeezed(element) in NAMING and is_secret(content):  # as in <wifi><key>psk</key>, where psk is a name
                named = _NAMED_FOR
            elif not is_card(element, content):
                yield from _stripped(text, start, end)
        elif start and inside and closing:
            if named and squeezed(inside) in {*VALUES, "integer"}:
                yield from _stripped(text, start, end)
                named = 0
            elif squeezed(inside) in NAMING and is_secret(content):
                named = _NAMED_FOR
        named = max(0, named - 1)
        content_from, inside = tag.end(), "" if closing else element
        if closing:
            if element in parents:
                del parents[len(parents) - 1 - parents[::-1].index(element) :]
            continue
        parent = parents[-1] if parents else ""
        offset = tag.start(3)
        named_secret = is_secret(element, parent)
        secret_attributes, announced = _attributes(attributes, element, named_secret, is_secret)
        yield from ((offset + a, offset + b) for a, b in secret_attributes)
        if attributes.endswith("/"):
            continue
        if named_secret or announced:
            hidden_in = element
        elif len(parents) < _DEEPEST:
            parents.append(element)
    if hidden_in:
        yield from _stripped(text, content_from, len(text))


def _attributes(
    attributes: str, element: str, named_secret: bool, is_secret: IsSecret
) -> tuple[list[tuple[int, int]], bool]:
    """Return the positions of an element's secret attributes, and whether an attribute makes its content secret."""
    if not attributes:
        return [], False
    found = [(m[1], squeezed(m[1]), *m.span(2 if m[2] is not None else 3)) for m in _ATTRIBUTE.finditer(attributes)]
    announced = any(plain in NAMING and is_secret(attributes[a:b][:200]) for _, plain, a, b in found)
    if announced or named_secret:
        return [(a, b) for _, plain, a, b in found if plain in VALUES], announced
    return [(a, b) for name, _, a, b in found if is_secret(name, element)], False


def _stripped(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if end > start:
        yield start, end
