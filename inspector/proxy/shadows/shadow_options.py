"""The shadows of one run: which charge points have which ones, and how to connect to them."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from inspector.errors import UserMistake, without_userinfo
from inspector.proxy.addresses import Upstream
from inspector.proxy.routing import Route

QUEUE_BYTES = 1024 * 1024
"""How much may wait for each shadow of each charge point."""


@dataclass(frozen=True, slots=True)
class ShadowOptions:
    """All shadows of one run.

    Attributes:
        routes: the shadows with the charge points that they are for; all that match apply.
        tls: for shadows with wss:// addresses.
        pass_authorization: send the charge point's own Authorization header to its shadows.
        answering: answer CALLs of shadows as the charge point has answered the primary, instead of rejecting them.
        queue_bytes: how much may wait for each shadow of each charge point.
    """

    routes: tuple[Route, ...]
    tls: ssl.SSLContext | None = None
    pass_authorization: bool = False
    answering: bool = False
    queue_bytes: int = QUEUE_BYTES

    def of(self, charge_point_id: str, path: str) -> list[Upstream]:
        """Return the shadows of a charge point, each once."""
        return list(dict.fromkeys(route.upstream for route in self.routes if route.matches(charge_point_id, path)))

    @property
    def upstreams(self) -> list[Upstream]:
        """Return the addresses of all shadows, each once."""
        return list(dict.fromkeys(route.upstream for route in self.routes))


def parse_shadow(text: str) -> Route:
    """Parse PATTERN=URL, as in CP-*=ws://candidate:9000. Raises UserMistake."""
    pattern, equals, url = text.partition("=")
    if not (pattern and equals):
        raise UserMistake(
            f"--shadow {without_userinfo(text)}: write it as ID-PATTERN=ws://HOST or /PATH=ws://HOST; *=ws://HOST is"
            " for all charge points"
        )
    return Route(pattern, Upstream.parse(url))
