"""Measure the passwords that a CSMS sets: a recording hides them and keeps only their length."""

from __future__ import annotations

from string import hexdigits
from typing import Any, TypeGuard

SHORTEST_PASSWORD = 16
"""The minimum length of a password: in bytes in 1.6, in characters in 2.x (A00.FR.205)."""


def password_length(action: str | None, payload: dict[str, Any]) -> int | None:
    """Return the length of the first password that a CALL sets; None if it sets none or the password is hidden.

    An AuthorizationKey of 1.6 is measured in bytes, each of which is written as two hexadecimal digits (security
    whitepaper A00.FR.205); a BasicAuthPassword of 2.x is measured in characters.
    """
    if action == "ChangeConfiguration":
        key, value = payload.get("key"), payload.get("value")
        if type(key) is not str or key.lower() != "authorizationkey" or not _is_shown(value):
            return None
        return len(value) // 2 if set(value) <= set(hexdigits) else len(value)
    if action == "SetVariables" and type(entries := payload.get("setVariableData")) is list:
        for entry in entries:
            variable = entry.get("variable") if type(entry) is dict else None
            name = variable.get("name") if type(variable) is dict else None
            if type(name) is str and name.lower() == "basicauthpassword" and _is_shown(entry.get("attributeValue")):
                return len(entry["attributeValue"])
    return None


def _is_shown(value: Any) -> TypeGuard[str]:
    return type(value) is str and bool(value.strip("*"))
