"""Decide whether a token may charge, by the local list, the cache or the CSMS, according to the settings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from simulator.charging.tokens import TokenBook, Verdict, same
from simulator.settings import Settings
from simulator.wire.link import LinkLost


class Authorization:
    """The token reader of a charge point.

    Args:
        settings: the settings of the charge point.
        is_online: returns whether the CSMS can be asked now.
        ask: asks the CSMS about a token and its type; raises LinkLost if the connection ends first.
        log: gets one line for each decision.
    """

    def __init__(
        self,
        settings: Settings,
        is_online: Callable[[], bool],
        ask: Callable[[str, str], Awaitable[Verdict]],
        log: Callable[[str], None],
    ) -> None:
        self.tokens = TokenBook()
        self._settings, self._is_online, self._ask, self._log = settings, is_online, ask, log

    async def in_group(self, group: str | None, token: str, kind: str) -> bool:
        """Return whether a token belongs to a group, whose members may stop each other's transactions (1.6, 3.8)."""
        if group is None or await self.authorize(token, kind) != "Accepted":
            return False
        known = self.tokens.known(token, True, True)
        return known is not None and known.group is not None and same(known.group, group)

    async def authorize(self, token: str, kind: str = "ISO14443") -> str:
        """Return the authorization status of a token."""
        flag = self._settings.flag
        use_list, use_cache = flag("LocalAuthListEnabled"), flag("AuthorizationCacheEnabled")
        known = self.tokens.known(token, use_list, use_cache)
        if self._is_online():
            if known is not None and known.status == "Accepted" and flag("LocalPreAuthorize"):
                self._log(f"token {token} accepted by the local list or the cache")
                return known.status
            try:
                verdict = await self._ask(token, kind)
            except LinkLost:
                pass
            else:
                self.tokens.remember(token, verdict, use_cache)
                self._log(f"token {token} {verdict.status.lower()}")
                return verdict.status
        if known is not None and flag("LocalAuthorizeOffline"):
            status = known.status
        else:
            status = "Accepted" if flag("AllowOfflineTxForUnknownId") else "Invalid"
        self._log(f"token {token} {status.lower()} while offline")
        return status
