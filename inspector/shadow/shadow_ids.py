"""Map the ids that the primary has made to those that a shadow has made, in all that is mirrored to the shadow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from inspector.interventions.pointers import NotThere, removed_from
from inspector.replay.id_mapping import IdMapping, kind_of

MOST_KEPT = 1_000
"""Ids that are kept for each charge point and shadow; the oldest one is forgotten first."""
_OWN_REQUESTS = frozenset({"BatterySwap"})
"""Actions whose `requestId` the charge point may make itself (OCPP 2.1 part 2, use case S01)."""


class ShadowIds(IdMapping):
    """The ids of one charge point at one shadow. It outlives connections, as transactions do."""

    def learn(self, action: str | None, recorded: Any, live: Any) -> None:
        """Note the ids in two payloads that correspond to each other: of the primary, and of the shadow.

        Unlike in a replay, a later pair replaces an earlier one, because a CSMS may use an id again.
        """
        for kind, value in list(ids_in(action, recorded)):
            self._live.pop((kind, value), None)
        super().learn(action, recorded, live)
        while len(self._live) > MOST_KEPT:
            del self._live[next(iter(self._live))]

    def missing(self, action: str, payload: Any) -> set[str]:
        """Return the kinds of ids in a CALL of the charge point for which the shadow has made no id of its own.

        The charge point itself makes text transaction ids (2.x).
        """
        return {
            kind
            for kind, value in self.unbound(action, payload)
            if not (kind == "transaction" and isinstance(value, str))
            and not (kind == "request" and action in _OWN_REQUESTS)
        }

    def mirrored(self, raw: bytes, action: str, message_id: str, fresh_id: str, left_out: set[str]) -> str:
        """Return a CALL as the shadow gets it: with its own ids, and without those whose kind is in `left_out`."""
        text = self.outgoing(raw, action, message_id, fresh_id)
        for name in _NAMES_OF if left_out else ():
            kind, pointers = _NAMES_OF[name]
            for pointer in pointers if kind in left_out else ():
                try:
                    text = removed_from(text, pointer)
                except (NotThere, ValueError):
                    continue
        return text


_NAMES_OF = {
    "reservationId": ("reservation", ("/3/reservationId",)),
    "remoteStartId": ("remote start", ("/3/transactionInfo/remoteStartId",)),
}
"""Optional members with an id of the CSMS: the kind of the id, and where a CALL of a charge point has it."""
OPTIONAL_KINDS = frozenset(kind for kind, _ in _NAMES_OF.values())


def ids_in(action: str | None, payload: Any) -> Iterator[tuple[str, Any]]:
    """Yield the ids in a payload that differ from CSMS to CSMS, as (kind, value)."""
    if isinstance(payload, dict):
        for name, value in payload.items():
            kind = kind_of(action, name)
            if kind is None:
                yield from ids_in(action, value)
            elif isinstance(value, str | int) and not isinstance(value, bool):
                yield kind, value
    elif isinstance(payload, list):
        for value in payload:
            yield from ids_in(action, value)


def without_ids(action: str | None, payload: Any) -> Any:
    """Return a payload without the ids that differ from CSMS to CSMS, to compare the rest."""
    if isinstance(payload, dict):
        return {name: without_ids(action, value) for name, value in payload.items() if kind_of(action, name) is None}
    if isinstance(payload, list):
        return [without_ids(action, value) for value in payload]
    return payload
