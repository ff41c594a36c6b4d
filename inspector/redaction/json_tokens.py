"""Where the strings and numbers of a JSON text stand, however broken it is; knows nothing of what they mean.

No parser that tells positions reads what is cut off or malformed, and such frames hold secrets too. This one never
raises: what it cannot place it hands out as values without a name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

TOKEN_LIMIT = 200_000
"""Tokens told apart; no message of OCPP has so many, and each takes memory."""

# Possessive: what is read of a string is never given back, and to be able to would cost 160 bytes for each character.
_TOKEN = re.compile(r'"((?:[^"\\]++|\\.)*+)("|\Z)|([{}\[\]:,])|[^\s{}\[\]:,"]+', re.S)
_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.|\Z)", re.S)
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
    """

    root: Items
    leaves: list[tuple[Leaf, bool]]
    end: int


def read(text: str) -> Places:
    """Take a text apart."""
    root = Items()
    stack: list[Members | Items] = [root]
    leaves: list[tuple[Leaf, bool]] = []
    for count, token in enumerate(_TOKEN.finditer(text)):
        if count == TOKEN_LIMIT:
            return Places(root, leaves, token.start())
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
    return Places(root, leaves, len(text))


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
        return "".join(part for part, _, _ in _units(text))


def escaped(text: str) -> str:
    """A text as it stands inside a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def offsets(text: str) -> list[int]:
    """Where each character of the unescaped text stands in the JSON string, and where it ends."""
    found: list[int] = []
    for part, start, _ in _units(text):
        found += [start] * len(part)
    return [*found, len(text)]


def _units(text: str) -> list[tuple[str, int, int]]:
    """(characters, start, end) of every escape and every plain character; a surrogate pair is one."""
    units: list[tuple[str, int, int]] = []
    at = 0
    while at < len(text):
        if text[at] != "\\":
            units.append((text[at], at, at + 1))
            at += 1
            continue
        match = _ESCAPE.match(text, at)
        end = match.end() if match else at + 1
        second = _ESCAPE.match(text, end)
        try:
            char = str(json.loads(f'"{text[at:end]}"', strict=False))
            if "\ud800" <= char <= "\udbff" and second:
                pair = str(json.loads(f'"{text[at : second.end()]}"', strict=False))
                if len(pair) == 1:
                    char, end = pair, second.end()
        except ValueError:
            char = text[at:end]
        if len(char) == end - at:
            units += [(one, at + i, at + i + 1) for i, one in enumerate(char)]
        else:
            units.append((char, at, end))
        at = end
    return units
