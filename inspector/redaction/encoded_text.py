"""Decode the characters of a text that are written as %61, &#97;, \\x61 or \\u0061."""

from __future__ import annotations

import re

_ENCODED = re.compile(
    r"%(?P<percent>[2-7][0-9A-Fa-f])|\\{1,31}(?:x|u00)(?P<escape>[2-7][0-9A-Fa-f])"
    r"|&#[xX]0{0,4}(?P<html>[2-7][0-9A-Fa-f]);|&#0{0,4}(?P<decimal>3[2-9]|[4-9]\d|1[01]\d|12[0-6]);"
)
_ROUNDS = 4
"""Text that was encoded several times is decoded so many times: `%2561` becomes `%61`, which becomes `a`."""


def decoded(text: str) -> tuple[str, list[int]] | None:
    """Return the decoded text, and for each of its characters and its end the position in the original text.

    Return None if nothing is encoded.
    """
    if not _ENCODED.search(text):
        return None
    places = list(range(len(text) + 1))
    for _ in range(_ROUNDS):
        parts: list[str] = []
        kept: list[int] = []
        at = 0
        for match in _ENCODED.finditer(text):
            digits = match["percent"] or match["escape"] or match["html"]
            parts += [text[at : match.start()], chr(int(digits, 16) if digits else int(match["decimal"]))]
            kept += places[at : match.start() + 1]
            at = match.end()
        if not at:
            break
        places = kept + places[at:]
        text = "".join(parts) + text[at:]
    return text, places
