"""Find secrets in XML: in elements and attributes of a secret's name, and beside an element that names one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from inspector.redaction.assignments import NAMING, VALUES
from inspector.redaction.secret_names import squeezed

_TAG = re.compile(r"<(/?)(?:[\w.\-]{1,60}:)?([\w.\-]{1,80})((?:\s[^<>]{0,4000})?)>")
_ATTRIBUTE = re.compile(r"(?<![\w.\-])(?:[\w.\-]{1,60}:)?([\w.\-]{1,60})\s{0,20}=\s{0,20}(?:\"([^\"]*)\"|'([^']*)')")
_NAMED_FOR = 8
"""Tags within which the value of a name is expected."""


def find(text: str, is_secret: Callable[[str], bool]) -> Iterator[tuple[int, int]]:
    """Find the content of elements whose name, or whose neighbour's content, is the name of a secret."""
    if "<" not in text:
        return
    hidden_in = ""
    content_from = 0
    named = 0
    inside = ""
    for tag in _TAG.finditer(text):
        closing, element, attributes = bool(tag[1]), tag[2], tag[3]
        start, end = content_from, tag.start()
        if hidden_in:
            if not (closing and element == hidden_in):
                continue
            yield from _stripped(text, start, end)
            hidden_in = ""
        elif start and inside and closing:
            content = text[start:end].strip()
            if named and squeezed(inside) in {*VALUES, "integer"}:
                yield from _stripped(text, start, end)
                named = 0
            elif len(content) <= 200 and squeezed(inside) in NAMING and is_secret(content):
                named = _NAMED_FOR
        named = max(0, named - 1)
        content_from, inside = tag.end(), "" if closing else element
        if closing:
            continue
        names_itself = is_secret(element)
        if attributes:
            values = [(squeezed(m[1]), *m.span(2 if m[2] is not None else 3)) for m in _ATTRIBUTE.finditer(attributes)]
            offset = tag.start(3)
            by_attribute = any(name in NAMING and is_secret(attributes[a:b][:200]) for name, a, b in values)
            if names_itself or by_attribute:
                yield from ((offset + a, offset + b) for name, a, b in values if name in VALUES)
            names_itself = names_itself or by_attribute
        if names_itself and not attributes.endswith("/"):
            hidden_in = element
    if hidden_in:
        yield from _stripped(text, content_from, len(text))


def _stripped(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if end > start:
        yield start, end
