"""Decides which CSMS a charge point belongs to and as whom it is spoken for there; knows no socket and no frame."""

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
    """What a charge point proves itself with at the CSMS, because TLS ends at the proxy."""

    authorization: str | None = field(default=None, repr=False)
    """The value of an Authorization header, in place of the charge point's own."""
    cert: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """Charge points whose path starts with, or whose id matches `pattern`, belong to `upstream`."""

    pattern: str
    upstream: Upstream

    def matches(self, charge_point_id: str, path: str) -> bool:
        """Tell whether a charge point takes this route; ids match as a shell would, case kept."""
        if self.pattern.startswith("/"):
            prefix = self.pattern.rstrip("/")
            return path == prefix or path.startswith((prefix + "/", prefix + "?"))
        return fnmatchcase(charge_point_id, self.pattern)

    @classmethod
    def parse(cls, text: str) -> Route:
        """Read PATTERN=URL, as in /site-a=wss://csms-a or CP-*=ws://csms-b:9000; raises UserMistake."""
        pattern, equals, url = text.partition("=")
        if not (pattern and equals):
            raise UserMistake(f"--route {without_userinfo(text)}: write it as /PATH=ws://HOST or ID-PATTERN=ws://HOST")
        return cls(pattern, Upstream.parse(url))


@dataclass(frozen=True, slots=True)
class Routing:
    """All routes and identities of one run; the first route that matches wins, else `default`."""

    default: Upstream
    routes: tuple[Route, ...] = ()
    identities: Mapping[str, Identity] = field(default_factory=dict)

    def upstream(self, charge_point_id: str, path: str) -> Upstream:
        """Return the CSMS a charge point belongs to."""
        for route in self.routes:
            if route.matches(charge_point_id, path):
                return route.upstream
        return self.default

    @property
    def upstreams(self) -> list[Upstream]:
        """Every CSMS there may be a connection to."""
        return list(dict.fromkeys([self.default, *(route.upstream for route in self.routes)]))


def read_identities(path: Path) -> dict[str, Identity]:
    """Read a TOML file of charge points; raises SettingsMistake or UnusableFile with the entry that is wrong.

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
        raise UnusableFile(path, f"[{charge_point_id!r}] takes {', '.join(sorted(known))}, each a string")
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
    """TLS contexts towards the CSMS: the common one, and one for each charge point with a certificate of its own."""

    common: ssl.SSLContext
    own: Mapping[str, ssl.SSLContext] = field(default_factory=dict)

    def context(self, charge_point_id: str) -> ssl.SSLContext:
        """Return the context to speak for a charge point with."""
        return self.own.get(charge_point_id, self.common)
