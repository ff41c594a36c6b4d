"""Find the positions of all strings and numbers in a JSON text, even if it is malformed or cut off.

Frames that are cut off contain secrets too, and other parsers that report positions cannot read them. This parser
never raises an exception. If it cannot assign a value to a name, it returns the value without a name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

TOKEN_LIMIT = 200_000
"""At most so many tokens are read, because each takes memory. No OCPP message has so many."""

# The repetitions are possessive, because backtracking would take 160 bytes per character. A string matches even if the
# text ends within an escape; otherwise each quote in it would start another search to the end.
_TOKEN = re.compile(r'"((?:[^"\\]++|\\.?)*+)("|\Z)|([{}\[\]:,])|[^\s{}\[\]:,"]+', re.S)
_SURROGATES = r"u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE = re.compile(rf'\\(?:["\\/bfnrt]|{_SURROGATES}|u[0-9a-fA-F]{{4}})|\\.', re.S)
"""Finds an escape. A valid escape stands for one character, an invalid one for its own two characters."""
_SHORT_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")


class Leaf(NamedTuple):
    """A string (without its quotes), a number or another word.

    Attributes:
        start, end: its position in the text.
        text: a string with its escapes decoded; anything else as written.
        string, number: whether it is a string, and whether it is a number. For true, false, null and anything that is
            not JSON, both are False.
    """

    start: int
    end: int
    text: str
    string: bool
    number: bool


class Members:
    """An object, as pairs of names and values. A name is None if the text is broken there."""

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
        root: the values at the top level; valid JSON has one.
        leaves: every string, number and word in order, and whether it is the name of a member.
        end: where reading ended: the end of the text, unless it has too many tokens.
        tokens: how many tokens were read.
        unfinished: the objects that are not closed before `end`.
    """

    root: Items
    leaves: list[tuple[Leaf, bool]]
    end: int
    tokens: int
    unfinished: list[Members]


def read(text: str, limit: float = TOKEN_LIMIT) -> Places:
    """Return the structure of a text, of which at most `limit` tokens are read."""
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
    """Yield all strings and numbers in these nodes, at any depth."""
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
    """Yield those of the nodes that are strings or numbers, and the strings and numbers directly in their arrays."""
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
    """Return the positions in a raw JSON string that correspond to the positions `wanted` in its unescaped text.

    A position may be the end of the text.
    """
    found: dict[int, int] = {}
    escapes = _ESCAPE.finditer(raw)
    at, ahead = 0, 0  # a position in the unescaped text, and how many characters further it is in `raw`
    escape = next(escapes, None)
    for place in sorted(set(wanted)):
        while escape is not None and escape.start() - ahead < place:
            at = escape.start() - ahead + len(_resolved(escape))
            if at > place:
                break  # `place` is within an invalid escape, which stands for two characters
            ahead = escape.end() - at
            escape = next(escapes, None)
        found[place] = place + ahead
    return found


def _resolved(escape: re.Match[str]) -> str:
    """Return the character that an escape stands for; an invalid escape is returned unchanged."""
    written = escape[0]
    if written[1] != "u":
        return _SHORT_ESCAPES.get(written[1], written)
    if len(written) == 2:
        return written
    first = int(written[2:6], 16)
    return chr(first) if len(written) == 6 else chr(0x10000 + ((first & 0x3FF) << 10) + (int(written[8:], 16) & 0x3FF))
