"""Choose the CSMS of a charge point, and the credentials to connect with."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from inspector import toml_file
from inspector.errors import UnusableFile, UserMistake, without_userinfo
from inspector.proxy.addresses import Upstream


@dataclass(frozen=True, slots=True)
class Identity:
    """The credentials with which the proxy connects to the CSMS as a charge point, whose TLS ends at the proxy."""

    authorization: str | None = field(default=None, repr=False)
    """The value of the Authorization header that replaces the charge point's own."""
    cert: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """Send charge points to `upstream` if their path starts with `pattern` or their id matches it."""

    pattern: str
    upstream: Upstream

    def matches(self, charge_point_id: str, path: str) -> bool:
        """Return whether a charge point takes this route; ids match like file names in a shell, case-sensitively."""
        if self.pattern.startswith("/"):
            prefix = self.pattern.rstrip("/")
            return path == prefix or path.startswith((prefix + "/", prefix + "?"))
        return fnmatchcase(charge_point_id, self.pattern)

    @classmethod
    def parse(cls, text: str) -> Route:
        """Parse PATTERN=URL, as in /site-a=wss://csms-a or CP-*=ws://csms-b:9000. Raises UserMistake."""
        pattern, equals, url = text.partition("=")
        if not (pattern and equals):
            raise UserMistake(f"--route {without_userinfo(text)}: write it as /PATH=ws://HOST or ID-PATTERN=ws://HOST")
        return cls(pattern, Upstream.parse(url))


@dataclass(frozen=True, slots=True)
class Routing:
    """All routes and identities of one run. The first matching route decides; if none matches, `default` is used."""

    default: Upstream
    routes: tuple[Route, ...] = ()
    identities: Mapping[str, Identity] = field(default_factory=dict)

    def upstream(self, charge_point_id: str, path: str) -> Upstream:
        """Return the CSMS of a charge point."""
        for route in self.routes:
            if route.matches(charge_point_id, path):
                return route.upstream
        return self.default

    @property
    def upstreams(self) -> list[Upstream]:
        """The addresses of all CSMSs in the routes."""
        return list(dict.fromkeys([self.default, *(route.upstream for route in self.routes)]))


def read_identities(path: Path) -> dict[str, Identity]:
    """Read the identities of charge points from a TOML file. Raises SettingsMistake or UnusableFile.

    ["CP001"]
    password = "…"            # Basic authorization (security profiles 1 and 2); user = "…" if not the id

    ["CP002"]
    cert = "cp002.pem"        # a client certificate (profile 3), relative to this file
    key = "cp002.key"
    """
    entries = toml_file.read(path)
    return {charge_point_id: _identity(path, charge_point_id, entry) for charge_point_id, entry in entries.items()}


def _identity(path: Path, charge_point_id: str, entry: Any) -> Identity:
    known = {"user", "password", "cert", "key"}
    if not isinstance(entry, dict) or set(entry) - known or not all(isinstance(v, str) for v in entry.values()):
        raise UnusableFile(path, f"[{charge_point_id!r}] may have {', '.join(sorted(known))}, each a string")
    if not ("password" in entry or "cert" in entry):
        raise UnusableFile(path, f"[{charge_point_id!r}] has neither password nor cert")
    for idle, needed in (("key", "cert"), ("user", "password")):
        if idle in entry and needed not in entry:
            raise UnusableFile(path, f"[{charge_point_id!r}] has a {idle} but no {needed}")
    authorization = None
    if "password" in entry:
        credentials = f"{entry.get('user', charge_point_id)}:{entry['password']}".encode()
        authorization = f"Basic {base64.b64encode(credentials).decode()}"
    cert, key = (path.parent / entry[name] if name in entry else None for name in ("cert", "key"))
    return Identity(authorization, cert, key)


@dataclass(frozen=True, slots=True)
class UpstreamTls:
    """TLS contexts for the CSMS: one for each charge point with its own certificate, one for all others."""

    common: ssl.SSLContext
    own: Mapping[str, ssl.SSLContext] = field(default_factory=dict)

    def context(self, charge_point_id: str) -> ssl.SSLContext:
        """Return the TLS context for a charge point's connection to its CSMS."""
        return self.own.get(charge_point_id, self.common)
