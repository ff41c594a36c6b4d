"""Whether a token may charge: asks list, cache or CSMS, as the settings say; starts and stops nothing."""

from __future__ import annotations

from collections.abc import Callable

from simulator.connection import Identity
from simulator.dialect import Dialect
from simulator.link import LinkLost
from simulator.tokens import TokenBook, same


class Authorizing(Dialect):
    """A charge point with a reader for tokens and what it knows of them by itself."""

    def __init__(self, identity: Identity, say: Callable[[str], None] = lambda line: None) -> None:
        super().__init__(identity, say)
        self.tokens = TokenBook()

    async def of_group(self, group: str | None, token: str, kind: str) -> bool:
        """Tell whether a token belongs to a group, whose members may stop each other's transactions (1.6, 3.8)."""
        if group is None or await self.authorize(token, kind) != "Accepted":
            return False
        known = self.tokens.known(token, True, True)
        return known is not None and known.group is not None and same(known.group, group)

    async def authorize(self, token: str, kind: str = "ISO14443") -> str:
        """Find out whether a token may charge: by list or cache where the settings say so, else by the CSMS."""
        flag = self.settings.flag
        use_list, use_cache = flag("LocalAuthListEnabled"), flag("AuthorizationCacheEnabled")
        known = self.tokens.known(token, use_list, use_cache)
        if self.online.is_set():
            if known is not None and known.status == "Accepted" and flag("LocalPreAuthorize"):
                self.say(f"token {token} accepted by what is known here")
                return known.status
            try:
                verdict = await self.say_authorize(token, kind)
            except LinkLost:
                pass
            else:
                self.tokens.remember(token, verdict, use_cache)
                self.say(f"token {token} {verdict.status.lower()}")
                return verdict.status
        if known is not None and flag("LocalAuthorizeOffline"):
            status = known.status
        else:
            status = "Accepted" if flag("AllowOfflineTxForUnknownId") else "Invalid"
        self.say(f"token {token} {status.lower()} while offline")
        return status
