"""Find values that another member names, as in {"key": "AuthorizationKey", "value": …}, and other values of OCPP."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from inspector.redaction.assignments import NAMING, VALUES
from inspector.redaction.json_tokens import Items, Leaf, Members, Node, own_leaves
from inspector.redaction.sensitive_names import SECRET_TOKEN_TYPES

_LISTS_OF_NAMES = frozenset({"key", "unknownkey", "keys", "required"})

_PAYLOAD_AT = {"2": 3, "3": 2, "6": 3}
"""The index of the payload in a CALL, a CALLRESULT and a SEND."""

_NEAR = 20
_BETWEEN = " \t\r\n\"'"
_MARKS = frozenset("{}[]:,")


def payload_at(kind: str) -> int:
    """Return the index of the payload in a frame with this message type; for an unknown type, one beyond any list."""
    return _PAYLOAD_AT.get(kind, sys.maxsize)


def variable_names(by_name: dict[str, list[Node]]) -> Iterator[str]:
    """Yield the names of the variables whose values an object contains: `key` in 1.6, `variable.name` in 2.x.

    `by_name` has the object's values by their names in lower case.
    """
    if not by_name.keys().isdisjoint(VALUES):
        for member in NAMING & by_name.keys():
            yield from (leaf.text for leaf in own_leaves(*by_name.get(member, ())))
    for node in by_name.get("variable", ()):
        if isinstance(node, Members):
            for name, child in node.pairs:
                if name is not None and name.text.lower() == "name" and isinstance(child, Leaf):
                    yield child.text


def values(node: Members, seen: set[int]) -> Iterator[Node]:
    """Yield the values of the variable that an object names.

    `seen` has the `id`s of the lists of attributes that were yielded for an outer object; new ones are added.
    """
    waiting = [node]
    while waiting:
        for name, child in waiting.pop().pairs:
            if name is None:
                continue
            member = name.text.lower()
            if member in VALUES:
                yield child
            elif member == "variableattribute" and isinstance(child, Items) and id(child) not in seen:
                seen.add(id(child))
                waiting += [attribute for attribute in child.children if isinstance(attribute, Members)]


def secret_by_type(by_name: dict[str, list[Node]]) -> Iterator[Leaf]:
    """Yield the values that are secret because of the object's type: a PIN, or the private parts of a JSON Web Key."""
    members: tuple[str, ...] = ()
    if any(kind.text.lower() in SECRET_TOKEN_TYPES for kind in own_leaves(*by_name.get("type", ()))):
        members = ("idtoken", "additionalidtoken")
    elif "kty" in by_name:
        members = ("d", "p", "q", "dp", "dq", "qi", "k")
    for member in members:
        yield from own_leaves(*by_name.get(member, ()))


def paired(node: Items, parent: str, is_secret: Callable[[str], bool]) -> Iterator[Leaf]:
    """Yield the value in a pair such as ["password", "x7!"]. A list of names, as in a member `key`, is not a pair."""
    if len(node.children) == 2 and parent.lower() not in _LISTS_OF_NAMES:
        name, value = node.children
        if not (isinstance(name, Leaf) and isinstance(value, Leaf)):
            return
        if name.string and is_secret(name.text) and (value.string or value.number) and not value.text.isalpha():
            yield value


def without_object(root: Items) -> Iterator[Leaf]:
    """Yield the values of a payload that are not in an object, in order. Valid OCPP has none."""
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
    """Return a leaf without single quotes around its text, which broken JSON may have; a string is unchanged."""
    if leaf.string or "'" not in leaf.text:
        return leaf
    start = leaf.start + len(leaf.text) - len(leaf.text.lstrip("'"))
    text = leaf.text.strip("'")
    return Leaf(start, start + len(text), text, False, False)


def is_set_off(text: str, leaf: Leaf) -> bool:
    """Return whether a string or word has JSON punctuation before and after it, as names and values do."""
    before = text[max(0, leaf.start - _NEAR) : leaf.start].rstrip(_BETWEEN)[-1:]
    after = text[leaf.end : leaf.end + _NEAR].lstrip(_BETWEEN)[:1]
    return before in _MARKS and after in _MARKS


def is_word(text: str) -> bool:
    """Return whether a text is true, false, null or None, or the beginning of one of these."""
    return any(word.startswith(text.lower()) for word in ("true", "false", "null", "none"))
