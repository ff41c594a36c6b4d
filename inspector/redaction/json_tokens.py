"""Where the strings and numbers of a JSON text stand, however broken it is; knows nothing of what they mean.

No parser that tells positions reads what is cut off or malformed, and such frames hold secrets too. This one never
raises: what it cannot place it hands out as values without a name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

TOKEN_LIMIT = 200_000
"""Tokens told apart; no message of OCPP has so many, and each takes memory."""

# Possessive: what is read of a string is never given back, and to be able to would cost 160 bytes for each character.
# A string always matches, also one that the end cuts off within an escape: else each quote would read to the end anew.
_TOKEN = re.compile(r'"((?:[^"\\]++|\\.?)*+)("|\Z)|([{}\[\]:,])|[^\s{}\[\]:,"]+', re.S)
_SURROGATES = r"u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE = re.compile(rf'\\(?:["\\/bfnrt]|{_SURROGATES}|u[0-9a-fA-F]{{4}})|\\.', re.S)
"""One character, or two as they are where the escape is unsound."""
_SHORT_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")


class Leaf(NamedTuple):
    """A string (without its quotes), a number or another word.

    Attributes:
        start, end: where it stands.
        text: a string with its escapes resolved; anything else as written.
        string, number: what it is; neither for true, false, null and what is no JSON.
    """

    start: int
    end: int
    text: str
    string: bool
    number: bool


class Members:
    """An object: names with their values; a name or a value may be missing where the text is broken."""

    __slots__ = ("colon", "pairs", "pending")

    def __init__(self) -> None:
        self.pairs: list[tuple[Leaf | None, Node]] = []
        self.pending: Leaf | None = None
        self.colon = False

    def add(self, child: Node) -> None:
        if self.colon or not isinstance(child, Leaf):
            self.pairs.append((self.pending, child))
            self.pending, self.colon = None, False
        else:
            if self.pending is not None:
                self.pairs.append((None, self.pending))
            self.pending = child


class Items:
    """An array."""

    __slots__ = ("children",)

    def __init__(self) -> None:
        self.children: list[Node] = []

    def add(self, child: Node) -> None:
        self.children.append(child)


type Node = Leaf | Members | Items


class Places(NamedTuple):
    """A text taken apart.

    Attributes:
        root: the values at its top, of which a sound text has one.
        leaves: every string, number and word in order, with whether it is a member's name.
        end: how far it was read: the length of the text, or less where there were too many tokens.
        tokens: how many it has up to there.
        unfinished: the objects that had not ended there.
    """

    root: Items
    leaves: list[tuple[Leaf, bool]]
    end: int
    tokens: int
    unfinished: list[Members]


def read(text: str, limit: float = TOKEN_LIMIT) -> Places:
    """Take a text apart, up to so many tokens."""
    root = Items()
    stack: list[Members | Items] = [root]
    leaves: list[tuple[Leaf, bool]] = []
    end, count = len(text), 0
    for token in _TOKEN.finditer(text):
        if count >= limit:
            end = token.start()
            break
        count += 1
        top, mark = stack[-1], token[3]
        if mark is None:
            leaf = _leaf(token)
            leaves.append((leaf, False))
            top.add(leaf)
        elif mark in "{[":
            child = Members() if mark == "{" else Items()
            top.add(child)
            stack.append(child)
        elif mark in "}]":
            _end_member(top)
            if len(stack) > 1:
                stack.pop()
        elif mark == ",":
            _end_member(top)
        elif mark == ":":
            if leaves and isinstance(top, Members) and top.pending is leaves[-1][0]:
                top.colon = True
            if leaves:
                leaves[-1] = (leaves[-1][0], True)
    for node in stack:
        _end_member(node)
    return Places(root, leaves, end, count, [node for node in stack if isinstance(node, Members)])


def _end_member(node: Members | Items) -> None:
    if isinstance(node, Members) and node.pending is not None:
        if not node.colon:
            node.pairs.append((None, node.pending))
        node.pending, node.colon = None, False


def _leaf(token: re.Match[str]) -> Leaf:
    if token[1] is not None:
        text = token[1]
        return Leaf(token.start(1), token.end(1), unescaped(text) if "\\" in text else text, True, False)
    return Leaf(token.start(), token.end(), token[0], False, _NUMBER.fullmatch(token[0]) is not None)


def leaves_below(*nodes: Node) -> Iterator[Leaf]:
    """All strings and numbers below."""
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if isinstance(node, Leaf):
            if node.string or node.number:
                yield node
        elif isinstance(node, Members):
            waiting += [child for _, child in node.pairs]
        else:
            waiting += node.children


def own_leaves(*nodes: Node) -> Iterator[Leaf]:
    """The strings and numbers that are, or that stand in an array that is, the value of a member."""
    for node in nodes:
        if isinstance(node, Leaf):
            if node.string or node.number:
                yield node
        elif isinstance(node, Items):
            yield from (c for c in node.children if isinstance(c, Leaf) and (c.string or c.number))


def unescaped(text: str) -> str:
    """A JSON string with its escapes resolved, as far as they are sound."""
    try:
        return str(json.loads(f'"{text}"', strict=False))
    except ValueError:
        return _ESCAPE.sub(_resolved, text)


def escaped(text: str) -> str:
    """A text as it stands inside a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def places_in(raw: str, wanted: Iterable[int]) -> dict[int, int]:
    """Where in a JSON string those characters stand that are at the places `wanted` of the unescaped text.

    A place may be the end of the text.
    """
    found: dict[int, int] = {}
    escapes = _ESCAPE.finditer(raw)
    at, ahead = 0, 0  # what was read of the unescaped text, and how much further along `raw` the same place is
    escape = next(escapes, None)
    for place in sorted(set(wanted)):
        while escape is not None and escape.start() - ahead < place:
            at = escape.start() - ahead + len(_resolved(escape))
            if at > place:
                break  # within an escape that stands as it is
            ahead = escape.end() - at
            escape = next(escapes, None)
        found[place] = place + ahead
    return found


def _resolved(escape: re.Match[str]) -> str:
    """The character that an escape stands for; what is no escape stays as it is."""
    written = escape[0]
    if written[1] != "u":
        return _SHORT_ESCAPES.get(written[1], written)
    if len(written) == 2:
        return written
    first = int(written[2:6], 16)
    return chr(first) if len(written) == 6 else chr(0x10000 + ((first & 0x3FF) << 10) + (int(written[8:], 16) & 0x3FF))
