"""The configuration before the start: options, and the TOML file with charge points, tokens and misbehaviours."""

from __future__ import annotations

import ipaddress
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from csms import misbehaviour, timestamps
from csms.errors import CsmsMistake
from csms.misbehaviour import Misbehaviour
from csms.prices import Prices
from csms.security import Security, hash_password
from csms.store import Store
from csms.wire.handshake import LONGEST_IDENTITY, is_identity

BOOT_POLICIES = ("Accepted", "Pending", "Rejected")
# The token statuses that both OCPP 1.6 and 2.x have.
TOKEN_STATUSES = ("Accepted", "Blocked", "Expired", "Invalid")
# The most characters of a token in OCPP 2.1; 2.0.1 allows 36, 1.6 allows 20.
LONGEST_TOKEN = 255
TABLES = {"charge_points": dict, "tokens": dict, "misbehaviours": list}


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of the CSMS.

    Args:
        db: the SQLite file for the state; None keeps it in memory.
        file_mode: the permissions of that file and its -wal and -shm files when they are created.
        heartbeat_s: the interval, in seconds, in the answer to an accepted boot.
        retry_s: the interval, in seconds, in the answer to a boot that is Pending or Rejected.
        boot: the answer to boots of charge points without a policy of their own.
        unknown_tokens: the status of tokens that the CSMS does not know.
        unknown_charge_points: whether charge points that the CSMS does not know may connect.
        security: the security profile and its files.
        sign_with: the PEM file of the CA that signs certificates of charge points; None rejects SignCertificate.
        contract_ca: the PEM file with the CAs of contract certificates; None makes a CA for contracts.
        prices: the tariffs of the tariff file; None computes no costs.
        allow_origins: web pages of these origins may connect, besides those of this machine; "*" allows all.
    """

    db: Path | None = None
    file_mode: int = 0o600
    heartbeat_s: int = 300
    retry_s: int = 30
    boot: str = "Accepted"
    unknown_tokens: str = "Accepted"
    unknown_charge_points: bool = True
    security: Security = field(default_factory=Security)
    sign_with: Path | None = None
    contract_ca: Path | None = None
    prices: Prices | None = None
    allow_origins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PageAddress:
    """The address of the operator's page. If the user chose it (`explicit`), no other port may replace it."""

    host: str = "127.0.0.1"
    port: int = 9001
    explicit: bool = False

    @property
    def loopback(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


@dataclass(frozen=True, slots=True)
class Configuration:
    """The checked content of a configuration file; `apply` writes it to a store."""

    charge_points: Mapping[str, Mapping[str, str]]
    tokens: Mapping[str, Mapping[str, Any]]
    misbehaviours: tuple[Misbehaviour, ...]

    def apply(self, store: Store) -> None:
        for name, policy in self.charge_points.items():
            store.set_charge_point(name, **policy)
        for name, token in self.tokens.items():
            store.set_token(name, **token)


def load(path: Path) -> Configuration:
    """Read a configuration file.

    Raises:
        CsmsMistake: the file cannot be read, or an entry is wrong; the message names the entry.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CsmsMistake(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    for name, value in content.items():
        if not isinstance(value, TABLES.get(name, ())):
            raise CsmsMistake(f"{path}: unexpected {name}; the file may have the tables {', '.join(TABLES)}")
    where = ""
    try:
        charge_points = {}
        for name, table in content.get("charge_points", {}).items():
            where = f"charge_points.{name}"
            charge_points[identity(name)] = charge_point(table)
        tokens = {}
        for name, table in content.get("tokens", {}).items():
            where = f"tokens.{name}"
            tokens[id_token(name)] = token(table)
        orders = []
        for number, table in enumerate(content.get("misbehaviours", []), 1):
            where = f"misbehaviours, number {number}"
            orders.append(misbehaviour.read(table))
    except ValueError as error:
        raise CsmsMistake(f"{path}: {where}: {error}") from None
    return Configuration(charge_points, tokens, tuple(orders))


def identity(name: str) -> str:
    """Return a charge point's identity. Raises ValueError if no charge point could connect with it."""
    if not is_identity(name):
        raise ValueError(f"an identity must have 1 to {LONGEST_IDENTITY} printable characters")
    return name


def id_token(name: str) -> str:
    """Return an id token. Raises ValueError if no charge point could send it."""
    if not name.isprintable() or not 1 <= len(name) <= LONGEST_TOKEN:
        raise ValueError(f"an id token must have 1 to {LONGEST_TOKEN} printable characters")
    return name


def charge_point(table: object) -> dict[str, str]:
    """Read a charge point's entry in the file or the API, and return the columns for the store.

    Raises:
        ValueError: the entry is wrong; the message is for the user.
    """
    members = _members(table, ("boot", "password"))
    columns = {}
    if "boot" in members:
        columns["boot_policy"] = _one_of("boot", members["boot"], BOOT_POLICIES)
    if "password" in members:
        password = members["password"]
        if not isinstance(password, str) or not 1 <= len(password) <= 64:
            raise ValueError("password must be a text of at most 64 characters (16 to 40 in 2.0.1)")
        columns["password_hash"] = hash_password(password.encode())
    return columns


def token(table: object) -> dict[str, Any]:
    """Read a token's entry in the file or the API, and return the arguments of `Store.set_token`.

    Raises:
        ValueError: the entry is wrong; the message is for the user.
    """
    members = _members(table, ("status", "expires", "parent", "concurrent"))
    found: dict[str, Any] = {"status": _one_of("status", members.get("status", "Accepted"), TOKEN_STATUSES)}
    if (expires := members.get("expires")) is not None:
        moment = expires if isinstance(expires, datetime) else timestamps.parse(expires)
        if moment is None:
            raise ValueError("expires must be a date and time such as 2027-01-31T00:00:00Z")
        try:
            found["expires"] = timestamps.stamp(moment)
        except OverflowError:
            raise ValueError("expires must lie within the years 1 to 9999, in UTC") from None
    if (parent := members.get("parent")) is not None:
        if not isinstance(parent, str) or not 1 <= len(parent) <= 20:
            raise ValueError("parent must be a text of 1 to 20 characters")
        found["parent"] = parent
    concurrent = members.get("concurrent", True)
    if not isinstance(concurrent, bool):
        raise ValueError("concurrent must be true or false")
    return {**found, "concurrent": concurrent}


def _members(table: object, known: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise ValueError(f"expected a table with {', '.join(known)}")
    if strange := sorted(set(table) - set(known)):
        raise ValueError(f"unknown key {strange[0]!r}; the keys are {', '.join(known)}")
    return table


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
    return str(value)
