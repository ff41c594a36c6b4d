"""All shadows of a running proxy: one link for each session of a charge point and each shadow that it has."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from inspector import records
from inspector.protocol.vocabulary import SUBPROTOCOLS, OcppVersion
from inspector.proxy.addresses import Upstream
from inspector.proxy.safe_log import safe
from inspector.proxy.session_tap import SessionTap
from inspector.proxy.shadows.shadow_counts import ShadowCounts
from inspector.proxy.shadows.shadow_link import ShadowLink
from inspector.proxy.shadows.shadow_options import ShadowOptions
from inspector.proxy.shadows.turns import Turns
from inspector.records import SessionFacts
from inspector.redaction import handshake
from inspector.shadow.mirror import Mirror
from inspector.shadow.shadow_ids import ShadowIds

if TYPE_CHECKING:
    from inspector.proxy.console import Console

logger = logging.getLogger(__name__)

STOP_S = 0.7
"""How long the shadows have for what waits when the proxy stops."""
MOST_KNOWN = 20_000
"""Pairs of a charge point and a shadow whose ids are kept; the oldest one is forgotten first."""


@dataclass(slots=True)
class _Known:
    """What outlives the sessions of a charge point with a shadow: ids, lost CALLs by cause, and the latest link."""

    ids: ShadowIds = field(default_factory=ShadowIds)
    lost: Counter[str] = field(default_factory=Counter)
    latest: asyncio.Task[None] | None = None


class Shadows:
    """Mirrors the sessions of charge points to their shadows."""

    def __init__(
        self, options: ShadowOptions, put: Callable[[records.Record], None], number: Callable[[], int]
    ) -> None:
        """Begin without sessions.

        Args:
            options: which charge points have which shadows.
            put: gets the records of the sessions with shadows.
            number: returns the next session number.
        """
        self._options, self._put, self._number = options, put, number
        self.counts = ShadowCounts(list(map(str, options.upstreams)))
        self.console: Console | None = None
        self._turn = Turns()
        self._known: dict[tuple[str, str], _Known] = {}
        self._links: dict[int, list[ShadowLink]] = {}
        self._running: set[ShadowLink] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def opened(self, tap: SessionTap, path: str, request: handshake.Headers) -> None:
        """Mirror a session that has just opened; `path` and `request` are from the charge point's handshake."""
        name = tap.facts.get("charge_point_id") or ""
        links = [self._link(tap, shadow, path, request) for shadow in self._options.of(name, path)]
        if not links:
            return
        self._links[tap.number] = links
        tap.mirror = links[0].offer if len(links) == 1 else partial(_offer_to_all, links)
        for link in links:
            known = self._known_of(name, link.name)
            task = known.latest = asyncio.create_task(link.run(known.latest))
            self._tasks.add(task)
            self._running.add(link)
            task.add_done_callback(partial(self._done, str(tap), link))

    def _link(self, tap: SessionTap, shadow: Upstream, path: str, request: handshake.Headers) -> ShadowLink:
        facts = tap.facts
        name = facts.get("charge_point_id") or ""
        known = self._known_of(name, str(shadow))
        forced = facts.get("ocpp_version")
        version = OcppVersion(forced) if forced else SUBPROTOCOLS.get(facts.get("subprotocol") or "")
        mirror = Mirror(known.ids, version, limit_bytes=self._options.queue_bytes, answering=self._options.answering)
        headers: dict[str, str] = {}
        if not self._options.pass_authorization:
            path = handshake.safe_path(path)  # a token in the path is a password too
        elif authorization := handshake.get(request, "authorization"):
            headers["Authorization"] = authorization
        return ShadowLink(
            str(shadow),
            f"{shadow}{path}",
            self._facts(tap, shadow, path, bool(headers)),
            mirror,
            headers=headers,
            context=self._options.tls,
            put=self._put,
            number=self._number,
            counts=self.counts,
            earlier=known.lost,
            turn=self._turn,
            say=partial(self._say, name),
            note=partial(_note, tap),
        )

    @staticmethod
    def _facts(tap: SessionTap, shadow: Upstream, path: str, authorized: bool) -> SessionFacts:
        of_primary = tap.facts
        facts: SessionFacts = {
            "charge_point_id": of_primary.get("charge_point_id") or "",
            "subprotocol": of_primary.get("subprotocol"),
            "subprotocols_offered": [name] if (name := of_primary.get("subprotocol")) else [],
            "upstream_url": handshake.safe_path(f"{shadow}{path}"),
            "secrets": list(of_primary.get("secrets", ())),
            "shadow": str(shadow),
            "shadow_of": tap.number,
        }
        if "request_path" in of_primary:
            facts["request_path"] = of_primary["request_path"]
        if of_primary.get("ocpp_version"):
            facts["ocpp_version"] = of_primary["ocpp_version"]
        if authorized:
            facts["auth_scheme"] = of_primary.get("auth_scheme")
            facts["auth_password_length"] = of_primary.get("auth_password_length")
        return facts

    def _known_of(self, charge_point_id: str, shadow: str) -> _Known:
        known = self._known.pop((charge_point_id, shadow), None) or _Known()
        self._known[charge_point_id, shadow] = known
        if len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]
        return known

    def ended(self, tap: SessionTap) -> None:
        """Note that a charge point's session has ended."""
        for link in self._links.pop(tap.number, ()):
            link.end()

    async def stop(self) -> None:
        """End all sessions with shadows, after a short time for what waits."""
        for link in self._running:
            link.end(STOP_S)
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=2 * STOP_S)
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _say(self, charge_point_id: str, text: str) -> None:
        if self.console is not None:
            self.console.shadow(charge_point_id, text)
        else:
            logger.info("%s %s", *safe(charge_point_id, text))

    def _done(self, whose: str, link: ShadowLink, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._running.discard(link)
        if not task.cancelled() and (failure := task.exception()) is not None:
            logger.error("%s: an internal error ended the mirroring to %s", *safe(whose, link.name), exc_info=failure)


def _offer_to_all(links: list[ShadowLink], from_charge_point: bool, raw: bytes) -> None:
    for link in links:
        link.offer(from_charge_point, raw)


def _note(tap: SessionTap, detail: dict[str, Any]) -> None:
    if not tap.closed:
        tap.event("shadow", detail)
