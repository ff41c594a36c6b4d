"""Which values stand beside a name rather than under it, in OCPP's objects and in frames that are none of OCPP's."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from inspector.redaction.json_tokens import Items, Leaf, Members, Node, own_leaves

_VALUE_MEMBERS = frozenset({"value", "attributevalue", "actualvalue", "currentvalue", "newvalue"})
"""In lower case: a peer that writes a member's name otherwise than OCPP must not bring a secret into the file."""

_PAYLOAD_AT = {"2": 3, "3": 2, "6": 3}
"""Where a CALL, a CALLRESULT and a SEND have their payload, by what they begin with."""

_NEAR = 20
_BETWEEN = " \t\r\n\"'"
_MARKS = frozenset("{}[]:,")


def payload_at(kind: str) -> int:
    """Where a frame that begins so has its payload; behind all of it where it is of no such kind."""
    return _PAYLOAD_AT.get(kind, sys.maxsize)


def variable_names(by_name: dict[str, list[Node]]) -> Iterator[str]:
    """How an object, its names in lower case, says what its value is of: 1.6 by a `key`, 2.x by `variable.name`."""
    if not by_name.keys().isdisjoint(_VALUE_MEMBERS):
        for member in ("key", "name", "variable", "variablename"):
            yield from (leaf.text for leaf in own_leaves(*by_name.get(member, ())))
    for node in by_name.get("variable", ()):
        if isinstance(node, Members):
            for name, child in node.pairs:
                if name is not None and name.text.lower() == "name" and isinstance(child, Leaf):
                    yield child.text


def values(node: Members, seen: set[int]) -> Iterator[Node]:
    """What an object has of the variable it names.

    `seen` has the `id` of each list of attributes that was looked through for an object around this one.
    """
    waiting = [node]
    while waiting:
        for name, child in waiting.pop().pairs:
            if name is None:
                continue
            member = name.text.lower()
            if member in _VALUE_MEMBERS:
                yield child
            elif member == "variableattribute" and isinstance(child, Items) and id(child) not in seen:
                seen.add(id(child))
                waiting += [attribute for attribute in child.children if isinstance(attribute, Members)]


def without_object(root: Items) -> Iterator[Leaf]:
    """What a frame has for a payload that is in no object, in order: nothing, where it is OCPP's."""
    frame = root.children[0] if root.children else None
    if not (isinstance(frame, Items) and frame.children and isinstance(frame.children[0], Leaf)):
        return
    waiting = list(reversed(frame.children[payload_at(frame.children[0].text) :]))
    while waiting:
        node = waiting.pop()
        if isinstance(node, Leaf):
            yield node
        elif isinstance(node, Items):
            waiting += reversed(node.children)


def unquoted(leaf: Leaf) -> Leaf:
    """What single quotes stand around, which JSON does not know; any other leaf as it is."""
    if leaf.string or "'" not in leaf.text:
        return leaf
    start = leaf.start + len(leaf.text) - len(leaf.text.lstrip("'"))
    text = leaf.text.strip("'")
    return Leaf(start, start + len(text), text, False, False)


def is_set_off(text: str, leaf: Leaf) -> bool:
    """Whether a string or word stands between marks of JSON, as a name or a value does."""
    before = text[max(0, leaf.start - _NEAR) : leaf.start].rstrip(_BETWEEN)[-1:]
    after = text[leaf.end : leaf.end + _NEAR].lstrip(_BETWEEN)[:1]
    return before in _MARKS and after in _MARKS


def is_word(text: str) -> bool:
    """Whether it is true, false or null, in Python's letters or cut off too, which says nothing."""
    return any(word.startswith(text.lower()) for word in ("true", "false", "null", "none"))
