"""Escape characters in received text that could manipulate a terminal or mislead a reader."""

from __future__ import annotations

import re
from hashlib import sha256

# Characters that change a terminal's cursor, colours or title (C0, DEL, C1), reverse the reading direction, or have no
# encoding (lone surrogates). C1 is included because some terminals read 0x9B as ESC [.
_DANGEROUS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_LONGEST_ID = 100
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: str) -> str:
    """Return the text on one line, with line ends and dangerous characters as escapes: `\\n`, `\\x1b`, `\\u202e`."""
    return text if text.isascii() and text.isprintable() else _DANGEROUS.sub(_escaped, text)


def visible_lines(text: str) -> str:
    """Return the text with dangerous characters as escapes, as `visible` does, but keep its line ends."""
    return text if text.isascii() and text.isprintable() else "\n".join(map(visible, text.split("\n")))


def part_of_id(name: str) -> str:
    """Return a name as part of a pytest id: in ASCII, short, and without the characters at which pytest splits ids.

    Pytest escapes the ids of parameters in the same way. Different names stay different.
    """
    text = name.encode("unicode_escape").decode("ascii")
    for special in ("::", "[", "]"):
        text = text.replace(special, "".join(f"\\x{ord(character):02x}" for character in special))
    if len(text) <= _LONGEST_ID:
        return text
    return f"{text[:_LONGEST_ID]}...{sha256(text.encode()).hexdigest()[:8]}"


def visible_json(document: str) -> str:
    """Return a JSON document with its dangerous characters as JSON escapes; tabs and line ends stay."""
    if document.isascii() and "\x7f" not in document:
        return document
    return _DANGEROUS.sub(lambda found: found[0] if found[0] in "\t\n\r" else _in_json(found[0]), document)


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    number = ord(character)
    return _NAMED.get(character) or (f"\\x{number:02x}" if number < 0x100 else _in_json(character))


def _in_json(character: str) -> str:
    number = ord(character)
    if number < 0x10000:
        return f"\\u{number:04x}"
    high, low = divmod(number - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
