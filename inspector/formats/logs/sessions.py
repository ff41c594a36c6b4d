"""Group the frames of a log into sessions, and note which kinds of frames the log never shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from inspector.formats.captured import Captured, Meta
from inspector.formats.logs.clock import Clock
from inspector.formats.logs.resolving import FROM_CHARGE_POINT, Perspective, Resolver, head
from inspector.formats.logs.seen import Event, Left, Linked, Seen
from inspector.protocol import version_evidence
from inspector.protocol.vocabulary import SUBPROTOCOLS, Direction, OcppVersion
from inspector.records import CloseFacts, CloseRecord, EventRecord, OpenRecord, Record, SessionFacts

_IDS = 5000
"""How many message ids of a session are remembered, to notice that a charge point restarted its numbering."""


class Session:
    """One WebSocket of a charge point, as the log shows it."""

    def __init__(self, number: int, name: str, session: str) -> None:
        self.key = f"{number}"
        self.name = name
        self.session = session
        self.open_calls: dict[Direction, set[str]] = {way: set() for way in Direction}
        self.ids: dict[str, None] = {}
        self.ended: Linked | None = None
        self.before: list[Record] = []
        self.last_ns = 0

    def takes(self, kind: int | None, number: str | None, way: Direction) -> bool:
        """Return whether a frame answers an open CALL of this session."""
        return kind in (3, 4) and number in self.open_calls[way.opposite]

    def note(self, kind: int | None, number: str | None, way: Direction) -> None:
        """Remember a frame's id."""
        if number is None:
            return
        if kind == 2:
            self.open_calls[way].add(number)
            if way is FROM_CHARGE_POINT:
                self.ids[number] = None
                if len(self.ids) > _IDS:
                    del self.ids[next(iter(self.ids))]
            if len(self.open_calls[way]) > _IDS:
                self.open_calls[way].clear()
        elif kind in (3, 4):
            self.open_calls[way.opposite].discard(number)


class Sessions:
    """Group frames into sessions.

    Args:
        window: the first events, which decide on the OCPP versions of the log.
        perspective: who wrote the log.
        clock: the interpretation of its times.
        ocpp: the version, if the user gave it.
        charge_point: the id for frames without one.
    """

    def __init__(
        self,
        window: list[Event],
        perspective: Perspective,
        clock: Clock,
        ocpp: OcppVersion | None,
        charge_point: str | None,
    ) -> None:
        self._clock, self._perspective = clock, perspective
        self._ocpp = ocpp
        self._resolver = Resolver(perspective, ocpp)
        self._resolver.look_ahead(window)
        names = {event.around.charge_point for event in window if isinstance(event, Seen)} - {None}
        linked = {event.around.charge_point for event in window if isinstance(event, Linked)} - {None}
        only = names if names else linked
        self._default = charge_point or (next(iter(only)) if len(only) == 1 else None)
        self._current: dict[str, Session] = {}
        self._opened: dict[str, Linked] = {}
        self._count = 0
        self._gap = False
        self._facts: SessionFacts = {"timed": clock.timed}
        if clock.timed and not clock.known:
            self._facts["clock"] = "unknown"
        elif clock.offset_s:
            self._facts["utc_offset_s"] = clock.offset_s
        self._versions: dict[str, version_evidence.VersionEvidence] = {}
        self._calls: dict[tuple[str, str], tuple[str, Direction]] = {}
        self._unseen = self._survey(window)

    @property
    def versions(self) -> dict[str, version_evidence.VersionEvidence]:
        """The versions found in the window, by charge point."""
        return self._versions

    @property
    def unseen(self) -> list[str]:
        """The kinds of frames that the window does not have."""
        return self._unseen

    def frames(self, events: Iterable[Event]) -> Iterator[Captured]:
        """Yield the frames with their sessions."""
        for event in events:
            if isinstance(event, Seen):
                yield from self._frame(event)
            elif isinstance(event, Linked):
                self._linked(event)
            else:
                self._left(event)

    def _survey(self, window: list[Event]) -> list[str]:
        """Find the versions in the window, and return the kinds of frames that the window does not have."""
        resolver = Resolver(self._perspective, self._ocpp)
        resolver.look_ahead(window)
        count = {(side, what): 0 for side in Direction for what in ("calls", "answers")}
        actions: dict[tuple[str, str], Any] = {}
        # Frames of the CSMS are weaker evidence: a CSMS may send messages that its charge point does not support.
        by_csms: dict[str, version_evidence.VersionEvidence] = {}
        for event in window:
            if not isinstance(event, Seen):
                continue
            name = self._name(event)
            way, _ = resolver.direction(event, name)
            kind, number, action = head(event)
            count[way, "answers" if kind in (3, 4) else "calls"] += kind is not None
            message = event.message
            if message is None or number is None:
                continue
            if (version := SUBPROTOCOLS.get(f"ocpp{event.around.version}")) is not None:
                self._versions.setdefault(name, version_evidence.VersionEvidence(version, "its record"))
            if name in self._versions and self._versions[name].exact:
                continue
            if kind in (2, 6):
                actions[name, number] = action
                told = version_evidence.infer_version(str(action), "request", message[3] if len(message) > 3 else None)
            elif kind == 3:
                told = version_evidence.infer_version(actions.get((name, number)), "response", message[2])
            else:
                told = None
            if told is not None:
                known = self._versions if way is FROM_CHARGE_POINT else by_csms
                if name not in known or (told.exact and not known[name].exact and told.version is not OcppVersion.V16):
                    known[name] = told
        self._versions = {**by_csms, **self._versions}
        for event in window:
            if isinstance(event, Linked) and (version := SUBPROTOCOLS.get(f"ocpp{event.around.version}")):
                name = event.around.charge_point or self._default or ""
                self._versions[name] = version_evidence.VersionEvidence(version, "the line about its connection")
        unseen = []
        for side, name in ((Direction.FROM_CHARGE_POINT, "charge_point"), (Direction.FROM_CSMS, "csms")):
            other = side.opposite
            if count[other, "calls"] and not count[side, "answers"]:
                unseen.append(f"{name} answers")
            if count[other, "answers"] and not count[side, "calls"]:
                unseen.append(f"{name} calls")
        return unseen

    def _name(self, event: Seen) -> str:
        return event.around.charge_point or self._default or ""

    def _linked(self, event: Linked) -> None:
        name = event.around.charge_point
        if name is None or (self._default and name not in self._current and event.around.charge_point != name):
            name = self._default or ""
        if event.up is None:
            return
        session = self._current.get(name)
        if session is not None and session.ended is None:
            session.ended = event
        if event.up:
            self._opened[name] = event

    def _left(self, event: Left) -> None:
        self._gap = True
        for session in self._current.values():
            at = session.last_ns
            session.before.append(EventRecord(0, at, at, "gap", {"why": "lines were left out of the log"}))

    def _frame(self, event: Seen) -> Iterator[Captured]:
        name = self._name(event)
        way, guessed = self._resolver.direction(event, name)
        kind, number, action = head(event)
        session = self._current.get(name)
        if session is not None and self._is_over(session, event, kind, number, action, way):
            yield self._end(session)
            session = None
        ts_ns = self._clock.ns(event.around.when)
        meta = Meta()
        if session is None:
            self._count += 1
            session = self._current[name] = Session(self._count, name, event.around.session)
            meta = Meta(opened=self._open(session, way, action, ts_ns))
        if session.before:
            meta = meta._replace(before=tuple(session.before))
            session.before.clear()
        session.ended = None
        session.session = event.around.session or session.session
        session.note(kind, number, way)
        session.last_ns = ts_ns or 0
        notes = {**(event.notes or {}), "direction": "guessed"} if guessed else event.notes
        raw = event.raw.encode("utf-8", "surrogateescape")
        yield Captured(
            raw, way, ts_ns, None, name or None, self._ocpp, session.key, line=event.line, meta=meta, notes=notes
        )

    def _is_over(
        self, session: Session, event: Seen, kind: int | None, number: str | None, action: Any, way: Direction
    ) -> bool:
        if session.takes(kind, number, way):
            return False
        if event.around.session and session.session and event.around.session != session.session:
            return True
        if session.ended is not None:
            return True
        # If a message id of the session comes again with a boot, the charge point has restarted.
        return kind == 2 and action == "BootNotification" and way is FROM_CHARGE_POINT and number in session.ids

    def _open(self, session: Session, way: Direction, action: Any, ts_ns: int | None) -> OpenRecord:
        link = self._opened.pop(session.name, None) or self._opened.pop("", None)
        boots = way is FROM_CHARGE_POINT and action == "BootNotification"
        facts: SessionFacts = {
            **self._facts,
            "charge_point_id": session.name,
            "from_start": (boots or link is not None) and not self._gap,
        }
        self._gap = False
        if self._unseen:
            facts["unseen"] = self._unseen
        told = self._versions.get(session.name)
        if self._ocpp is not None:
            facts["ocpp_version"] = self._ocpp.value
        elif told is not None:
            facts["ocpp_version"], facts["version_told_by"] = told.version.value, told.by
        at = ts_ns or 0
        if link is not None and link.around.when is not None and self._clock.timed:
            at = min(at, self._clock.ns(link.around.when) or at)
        return OpenRecord(0, at, at, facts)

    def _end(self, session: Session) -> Captured:
        """Return the end of a session that the log reports, or that the next session implies."""
        del self._current[session.name]
        told: CloseFacts = {"closed_by": "unknown"}
        at = session.last_ns
        if session.ended is not None and not session.ended.up:
            side = "csms" if self._perspective.of_csms is False else "cp"
            if session.ended.code is not None:
                told[f"{side}_close_code"] = session.ended.code  # type: ignore[literal-required]
            if session.ended.reason:
                told[f"{side}_close_reason"] = session.ended.reason  # type: ignore[literal-required]
            at = max(at, self._clock.ns(session.ended.around.when) or at)
        meta = Meta(before=tuple(session.before), closed=CloseRecord(0, at, at, told), placeholder=True)
        return Captured(
            b"",
            FROM_CHARGE_POINT,
            at if self._clock.timed else None,
            None,
            session.name or None,
            session=session.key,
            meta=meta,
        )

    def ends(self) -> Iterator[Captured]:
        """Yield the ends of sessions that the log reports after the last frame."""
        for session in list(self._current.values()):
            if session.ended is not None:
                yield self._end(session)
