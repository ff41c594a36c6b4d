"""The sessions of a running proxy as its operator sees them: list, take over, hold, send, close."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic, time_ns
from typing import Any

from inspector.interventions.edited_session import EditedSession
from inspector.interventions.interventions import Interventions
from inspector.interventions.matching import SessionRules
from inspector.interventions.outcome import Outgoing
from inspector.interventions.session_parts import BY_HAND, Held
from inspector.interventions.turn_taking import MOST_OPEN
from inspector.protocol.frame import Frame
from inspector.protocol.messages import CallError, CallResult
from inspector.protocol.vocabulary import SUBPROTOCOLS, OcppVersion
from inspector.proxy.addon import RecordingAddon
from inspector.proxy.edited_pipe import GOODBYE_S, take_over
from inspector.proxy.pipe import TURN_S
from inspector.proxy.safe_log import safe
from inspector.proxy.session_tap import SessionTap

logger = logging.getLogger(__name__)


class Refused(Exception):
    """Something that cannot be done with a session now; `str()` says why."""


@dataclass(frozen=True, slots=True)
class HeldFrame:
    """A held frame with its session."""

    tap: SessionTap
    number: int
    held: Held

    @property
    def id(self) -> str:
        return f"{self.tap.number}-{self.number}"


class LiveSessions:
    """All sessions of one proxy."""

    def __init__(self, recording: RecordingAddon, interventions: Interventions) -> None:
        """Begin to take sessions over when rules arrive that match them."""
        self._recording, self.interventions = recording, interventions
        self._refused: dict[int, str] = {}
        """Why sessions could not be taken over, by number."""
        self._asked = 0
        self._matching: asyncio.Task[None] | None = None
        interventions.on_change = self._changed
        recording.on_taken_over = self._match

    # --- sessions ---------------------------------------------------------------------------------------------

    def all(self) -> list[SessionTap]:
        """Return the open sessions, oldest first."""
        return sorted(self._recording.sessions.values(), key=lambda tap: tap.number)

    def find(self, charge_point_id: str) -> SessionTap | None:
        """Return the newest session of a charge point, None if it is not connected."""
        found = [tap for tap in self.all() if tap.facts.get("charge_point_id") == charge_point_id]
        return found[-1] if found else None

    def refusal(self, tap: SessionTap) -> str | None:
        """Return why rules cannot apply to a session, None if they can."""
        return self._refused.get(tap.number)

    def version(self, tap: SessionTap) -> OcppVersion | None:
        """Return the OCPP version of a session, None if it is not known."""
        if tap.edited is not None:
            return tap.edited.version
        forced = tap.facts.get("ocpp_version")
        return OcppVersion(forced) if forced else SUBPROTOCOLS.get(tap.facts.get("subprotocol") or "")

    def _changed(self) -> None:
        if self._matching is not None:
            self._matching.cancel()
        self._matching = asyncio.get_running_loop().create_task(self._match_all())

    async def matched(self) -> None:
        """Wait until the latest rules apply to all sessions that they match."""
        while self._matching is not None and not self._matching.done():
            await asyncio.wait([self._matching])

    async def _match_all(self) -> None:
        """Take over the sessions that the rules match, a few milliseconds at a time: frames are relayed meanwhile."""
        began = monotonic()
        for tap in self.all():
            if monotonic() - began > TURN_S:
                await asyncio.sleep(0)
                began = monotonic()
            try:
                self._match(tap)
            except Exception:
                logger.exception("%s: an internal error when rules were to apply to it", tap)

    def _match(self, tap: SessionTap) -> None:
        if tap.edited is not None or tap.closed or not tap.taken_over:
            return
        rules = self.interventions.rules_of(tap.facts.get("charge_point_id") or "")
        if rules.for_frames and (why := self._take_over(tap, rules)) is not None:
            logger.warning("%s: rules cannot apply to this session: %s", tap, *safe(why))

    def edited(self, tap: SessionTap) -> EditedSession:
        """Return the editing of a session; take the session over if it is on the fast path. Raises Refused."""
        if tap.edited is None:
            if not tap.taken_over:
                raise Refused("its handshake is not complete yet; try again")
            rules = self.interventions.rules_of(tap.facts.get("charge_point_id") or "")
            if (why := self._take_over(tap, rules)) is not None:
                raise Refused(f"frames cannot be added to this session: {why}")
        assert tap.edited is not None
        return tap.edited

    def _take_over(self, tap: SessionTap, rules: SessionRules) -> str | None:
        rules.forget_states()
        edited = self.interventions.edit(rules, tap.facts, tap, tap.readers)
        why = take_over(tap, edited)
        if why is not None:
            self._refused = {one.number: self._refused[one.number] for one in self.all() if one.number in self._refused}
            self._refused[tap.number] = why
        return why

    # --- frames by hand ---------------------------------------------------------------------------------------

    async def call(
        self, tap: SessionTap, as_csms: bool, action: str, payload: dict[str, Any], seconds: float
    ) -> dict[str, Any]:
        """Send a CALL as one of the peers; return what the other peer answers. Raises Refused."""
        edited = self.edited(tap)
        if self._asked >= MOST_OPEN:
            raise Refused("too many CALLs wait for their answers; try again later")
        answered: asyncio.Future[Frame | None] = asyncio.get_running_loop().create_future()
        text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
        self._asked += 1
        try:
            message_id = edited.send_call(
                as_csms, action, text, monotonic(), time_ns(), lambda frame: _settle(answered, frame)
            )
            tap.flush()
            async with asyncio.timeout(seconds):
                return {"message_id": message_id, **_outcome(await answered)}
        except TimeoutError:
            edited.expect_no_answer(message_id)
            return {"message_id": message_id, **_outcome(None, "timeout")}
        finally:
            self._asked -= 1

    def send_text(self, tap: SessionTap, as_csms: bool, text: str) -> None:
        """Send a text frame as one of the peers, exactly as written. Raises Refused."""
        self.edited(tap).send_text(as_csms, text.encode("utf-8", "surrogatepass"), monotonic())
        tap.flush()

    def close(self, tap: SessionTap, code: int, reason: str) -> None:
        """Send a close frame to both peers, and end the connections if they do not. Raises Refused."""
        if not tap.go_away(code, reason):
            raise Refused("it is ending already")
        asyncio.get_running_loop().call_later(GOODBYE_S, tap.drop)

    # --- held frames ------------------------------------------------------------------------------------------

    def held(self) -> Iterator[HeldFrame]:
        """Return the held frames of all sessions, oldest first within a session."""
        for tap in self.all():
            if tap.edited is not None:
                for number, held in tap.edited.held.items():
                    yield HeldFrame(tap, number, held)

    def release(self, one: HeldFrame, texts: list[tuple[bool, str]] | None = None) -> None:
        """Send a held frame on; or `texts` instead, each as (whether it seems to come from its sender, text)."""
        assert one.tap.edited is not None
        way = one.held.frame.direction
        instead = [
            Outgoing(way if on else way.opposite, text.encode("utf-8", "surrogatepass"), BY_HAND)
            for on, text in texts or ()
        ]
        if not one.tap.edited.release(one.number, monotonic(), None if texts is None else instead):
            raise Refused("it was sent on meanwhile")
        one.tap.flush()


def _settle(answered: asyncio.Future[Frame | None], frame: Frame | None) -> None:
    if not answered.done():
        answered.set_result(frame)


def _outcome(frame: Frame | None, otherwise: str = "closed") -> dict[str, Any]:
    """Return an answer as JSON."""
    outcome: dict[str, Any] = {"kind": otherwise, "payload": None, "error_code": None, "error_description": None}
    message = frame.message if frame is not None else None
    if isinstance(message, CallResult):
        outcome |= {"kind": "CALLRESULT", "payload": message.payload}
    elif isinstance(message, CallError):
        outcome |= {
            "kind": "CALLERROR",
            "error_code": message.error_code,
            "error_description": message.error_description,
            "payload": message.error_details,
        }
    return outcome
