"""Makes valid and slightly wrong payloads from a JSON schema; the same seed gives the same payloads."""

from __future__ import annotations

import copy
import random
import string
from typing import Any

LETTERS = string.ascii_letters + string.digits + ' -_é漢😀"\\\n'
INT32 = 2**31

OTHERS: list[Any] = [
    None, True, 0, 1, -1, 1.0, 1.5, -0.25, 0.1, 12.3, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**53, 1e300,
    "", "a", "Accepted", "x" * 21, "x" * 300, "2026-01-01T12:00:00Z", [], [1], [{}], {}, {"a": 1},
]  # fmt: skip


class Payloads:
    """Payloads for one schema."""

    def __init__(self, schema: dict[str, Any], seed: str) -> None:
        self.schema = schema
        self.dice = random.Random(seed)

    def valid(self) -> Any:
        """Return a payload that is valid by the schema."""
        return self._value(self.schema, 0)

    def bent(self) -> Any:
        """Return a valid payload after one to three random changes: a value removed, replaced, lengthened or added."""
        payload = copy.deepcopy(self.valid())
        for _ in range(self.dice.randint(1, 3)):
            payload = self._bend(payload)
        return payload

    def _value(self, node: dict[str, Any], depth: int) -> Any:
        dice = self.dice
        if "$ref" in node:
            return self._value(self.schema["definitions"][node["$ref"].rpartition("/")[2]], depth)
        if "enum" in node:
            return dice.choice(node["enum"])
        match node.get("type"):
            case "object":
                return self._object(node, depth)
            case "array":
                least, most = node.get("minItems", 0), node.get("maxItems", 4)
                count = max(least, min(most, least + dice.choice((0, 0, 1, 2)))) if depth < 8 else least
                return [self._value(node.get("items", {}), depth + 1) for _ in range(count)]
            case "string":
                if node.get("format") == "date-time":
                    return "2026-01-01T12:00:00Z"
                least, most = node.get("minLength", 0), node.get("maxLength", 30)
                length = dice.choice((least, most, dice.randint(least, most)))
                return "".join(dice.choice(LETTERS) for _ in range(length))
            case "integer":
                least, most = int(node.get("minimum", -INT32)), int(node.get("maximum", INT32 - 1))
                return dice.choice((least, most, dice.randint(least, most)))
            case "number":
                least, most = node.get("minimum", -1e6), node.get("maximum", 1e6)
                if "multipleOf" in node:
                    return round(dice.randint(int(least), int(most)) * node["multipleOf"], 1) if most > least else least
                return dice.choice((least, most, dice.uniform(least, most), float(dice.randint(int(least), int(most)))))
            case "boolean":
                return dice.choice((True, False))
            case _:
                return self._other()

    def _object(self, node: dict[str, Any], depth: int) -> dict[str, Any]:
        required = set(node.get("required", ()))
        made = {}
        for name, member in node.get("properties", {}).items():
            if name in required or (depth < 8 and self.dice.random() < 0.4):
                made[name] = self._value(member, depth + 1)
        return made

    def _bend(self, payload: Any) -> Any:
        dice = self.dice
        places: list[tuple[Any, Any]] = []

        def visit(node: Any) -> None:
            keys = range(len(node)) if isinstance(node, list) else list(node) if isinstance(node, dict) else ()
            for key in keys:
                places.append((node, key))
                visit(node[key])

        visit(payload)
        if not places:
            return {"unknown": self._other()} if dice.random() < 0.8 else self._other()
        node, key = dice.choice(places)
        match dice.randrange(5):
            case 0:
                del node[key]
            case 1:
                node[key] = self._other()
            case 2:
                node[key] = self._stretched(node[key])
            case 3 if isinstance(node, dict):
                node[dice.choice(("unknown", "customData", key.swapcase()))] = self._other()
            case _:
                node[key] = [node[key]] if dice.random() < 0.5 else {"value": node[key]}
        return payload

    def _other(self) -> Any:
        return copy.deepcopy(self.dice.choice(OTHERS))

    def _stretched(self, value: Any) -> Any:
        match value:
            case bool():
                return str(value).lower()
            case int() | float():
                return self.dice.choice(
                    (-value, value + 1, float(value), value * 2**20 if abs(value) < 2**60 else 0, str(value))
                )
            case str():
                return self.dice.choice((value + "x", value * 20, value.lower(), value[:-1], value + "é" * 50))
            case list():
                return value * 30
            case _:
                return None
