"""Frames that the examples of several rules share, by version; knows no rule."""

from __future__ import annotations

type ByVersion = dict[str, str]
"""A script for "1.6" and one for "2x"."""


def joined(*parts: ByVersion | str) -> ByVersion:
    """Scripts put one behind the other, for each version; a plain text stands for both."""
    return {v: "".join(part if isinstance(part, str) else part[v] for part in parts) for v in ("1.6", "2x")}


def reported(status: str, message_id: str = "n") -> ByVersion:
    """A StatusNotification of the first connector, and its answer."""
    old = f'"connectorId":1,"errorCode":"NoError","status":"{status}"'
    new = f'"timestamp":"2026-01-01T12:00:00Z","evseId":1,"connectorId":1,"connectorStatus":"{status}"'
    return {
        version: f'> [2,"{message_id}","StatusNotification",{{{payload}}}]\n< [3,"{message_id}",{{}}]\n'
        for version, payload in (("1.6", old), ("2x", new))
    }
