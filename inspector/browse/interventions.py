"""Mark the difference between a frame that came and the frame that interventions made of it."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import NamedTuple

from markupsafe import Markup

from inspector.interventions.words import in_words

__all__ = ["difference", "in_words", "marked", "on_a_line"]
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\w.+-]+|\s+|.', re.DOTALL)
_MOST_TOKENS = 3_000
"""Texts with more tokens between their first and last difference are shown as one difference."""
_CONTEXT = 24
_CLIPPED = 80


class Piece(NamedTuple):
    """A part of two texts: in both (" "), only in the first one ("-"), or only in the second one ("+")."""

    sign: str
    text: str


def difference(came: str, sent: str) -> list[Piece]:
    """Return the pieces of two texts, token by token of JSON."""
    before, after = _TOKEN.findall(came), _TOKEN.findall(sent)
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    end = 0
    while end < min(len(before), len(after)) - start and before[-1 - end] == after[-1 - end]:
        end += 1
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    pieces = [Piece(" ", "".join(before[:start]))]
    if len(old) + len(new) > _MOST_TOKENS:
        pieces += [Piece("-", "".join(old)), Piece("+", "".join(new))]
    else:
        for kind, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            if kind == "equal":
                pieces.append(Piece(" ", "".join(old[i:j])))
            else:
                pieces += [Piece("-", "".join(old[i:j])), Piece("+", "".join(new[k:m]))]
    pieces.append(Piece(" ", "".join(before[len(before) - end :])))
    return [piece for piece in pieces if piece.text]


def marked(came: str | bytes | None, sent: str | bytes | None) -> Markup:
    """Return both texts as one, with <del> around what only came and <ins> around what was only sent."""
    shape = {" ": "{}", "-": "<del>{}</del>", "+": "<ins>{}</ins>"}
    pieces = difference(_text(came), _text(sent))
    return Markup("").join(Markup(shape[piece.sign]).format(piece.text) for piece in pieces)


def on_a_line(came: str | bytes | None, sent: str | bytes | None) -> str:
    """Return the differences on one line, as in `…"status":[-"Accepted"-]{+"Blocked"+}}]`; "" if there is none."""
    pieces = difference(_text(came), _text(sent))
    said = ""
    for number, (sign, text) in enumerate(pieces):
        if sign == " ":
            begin = text[:_CONTEXT] if number else ""
            rest = text[len(begin) :]
            end = rest[-_CONTEXT:] if number < len(pieces) - 1 else ""
            said += begin + ("…" if len(begin) + len(end) < len(text) else "") + end
        else:
            clipped = text if len(text) <= _CLIPPED else text[: _CLIPPED - 1] + "…"
            said += f"[-{clipped}-]" if sign == "-" else f"{{+{clipped}+}}"
    return said if len(pieces) > 1 or any(piece.sign != " " for piece in pieces) else ""


def _text(raw: str | bytes | None) -> str:
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw or ""
