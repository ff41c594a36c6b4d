"""Find the positions of all strings and numbers in a JSON text, even if it is malformed or cut off.

Frames that are cut off have secrets too, and no other parser with positions reads them. This one never raises:
values that it cannot assign to a name are returned without one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

TOKEN_LIMIT = 200_000
"""Most tokens that are read. Each takes memory, and no OCPP message has so many."""

# Possessive, as backtracking would take 160 bytes per character. A string matches even if the text ends inside an
# escape: otherwise every quote in it would read to the end again.
_TOKEN = re.compile(r'"((?:[^"\\]++|\\.?)*+)("|\Z)|([{}\[\]:,])|[^\s{}\[\]:,"]+', re.S)
_SURROGATES = r"u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE = re.compile(rf'\\(?:["\\/bfnrt]|{_SURROGATES}|u[0-9a-fA-F]{{4}})|\\.', re.S)
"""An escape: one character, or two if it is invalid."""
_SHORT_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")


class Leaf(NamedTuple):
    """A string (without its quotes), a number or another word.

    Attributes:
        start, end: Its position.
        text: A string with its escapes decoded, anything else as written.
        string, number: Its kind. Both are False for true, false, null and anything that is not JSON.
    """

    start: int
    end: int
    text: str
    string: bool
    number: bool


class Members:
    """An object: pairs of names and values. A name may be missing if the text is broken."""

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
    """The structure of a text.

    Attributes:
        root: The values at the top level; valid JSON has one.
        leaves: Every string, number and word in order, and whether it is the name of a member.
        end: How far the text was read: to its end unless it has too many tokens.
        tokens: The number of tokens up to there.
        unfinished: The objects that are still open there.
    """

    root: Items
    leaves: list[tuple[Leaf, bool]]
    end: int
    tokens: int
    unfinished: list[Members]


def read(text: str, limit: float = TOKEN_LIMIT) -> Places:
    """Return the structure of a text, up to `limit` tokens."""
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
    """Return all strings and numbers in these nodes."""
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
    """Return these nodes if they are strings or numbers, and the strings and numbers of arrays; nothing deeper."""
    for node in nodes:
        if isinstance(node, Leaf):
            if node.string or node.number:
                yield node
        elif isinstance(node, Items):
            yield from (c for c in node.children if isinstance(c, Leaf) and (c.string or c.number))


def unescaped(text: str) -> str:
    """Return a JSON string with its valid escapes decoded."""
    try:
        return str(json.loads(f'"{text}"', strict=False))
    except ValueError:
        return _ESCAPE.sub(_resolved, text)


def escaped(text: str) -> str:
    """Return a text as it is written in a JSON string, without the quotes."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def places_in(raw: str, wanted: Iterable[int]) -> dict[int, int]:
    """Return where in a JSON string the characters are that have the positions `wanted` in the unescaped text.

    A position may be the end of the text.
    """
    found: dict[int, int] = {}
    escapes = _ESCAPE.finditer(raw)
    at, ahead = 0, 0  # the position in the unescaped text, and how much further the same character is in `raw`
    escape = next(escapes, None)
    for place in sorted(set(wanted)):
        while escape is not None and escape.start() - ahead < place:
            at = escape.start() - ahead + len(_resolved(escape))
            if at > place:
                break  # inside an invalid escape, which has two characters
            ahead = escape.end() - at
            escape = next(escapes, None)
        found[place] = place + ahead
    return found


def _resolved(escape: re.Match[str]) -> str:
    """Return the character of an escape; an invalid escape stays as it is."""
    written = escape[0]
    if written[1] != "u":
        return _SHORT_ESCAPES.get(written[1], written)
    if len(written) == 2:
        return written
    first = int(written[2:6], 16)
    return chr(first) if len(written) == 6 else chr(0x10000 + ((first & 0x3FF) << 10) + (int(written[8:], 16) & 0x3FF))
