"""The tariff file: what a charging session costs, and the tariffs of drivers for stations of OCPP 2.1."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from csms.errors import CsmsMistake
from csms.schemas import Payload

PRICES = {
    "energy": ("energy", "priceKwh"),
    "charging_time": ("chargingTime", "priceMinute"),
    "idle_time": ("idleTime", "priceMinute"),
    "fixed": ("fixedFee", "priceFixed"),
}
"""Name in the file -> the member of TariffType, and the member of its price."""
KEYS = (*PRICES, "tax")


@dataclass(frozen=True, slots=True)
class Tariff:
    """One tariff: prices without tax per kWh, per minute and per transaction; `tax` is in percent."""

    name: str
    currency: str
    prices: Mapping[str, float]
    tax: float = 0.0

    def total(self, energy_kwh: float | None, charging_s: float, idle_s: float) -> float | None:
        """Return the cost of a transaction with tax; None if the tariff has a price for energy, but none is known."""
        if energy_kwh is None and self.prices.get("energy"):
            return None
        amounts = {"energy": energy_kwh or 0.0, "charging_time": charging_s / 60, "idle_time": idle_s / 60, "fixed": 1}
        net = sum(price * amounts[name] for name, price in self.prices.items())
        return round(net * (1 + self.tax / 100), 2)

    def for_station(self) -> Payload:
        """Return the tariff as a TariffType of OCPP 2.1. Another content gets another tariffId (I08.FR.08)."""
        taxes = {"taxRates": [{"type": "VAT", "tax": self.tax}]} if self.tax else {}
        parts = {
            member: {"prices": [{price: self.prices[name]}], **taxes}
            for name, (member, price) in PRICES.items()
            if name in self.prices
        }
        mark = hashlib.sha256(repr((self.currency, parts)).encode()).hexdigest()[:8]
        return {"tariff_id": f"{self.name[:50]}-{mark}", "currency": self.currency, **parts}


@dataclass(frozen=True, slots=True)
class Prices:
    """All tariffs, and who has which one."""

    tariffs: Mapping[str, Tariff] = field(default_factory=dict)
    default: Tariff | None = None
    by_token: Mapping[str, Tariff] = field(default_factory=dict)

    def of(self, id_token: str | None) -> Tariff | None:
        """Return the tariff of a token, or else the default one."""
        return self.own(id_token) or self.default

    def own(self, id_token: str | None) -> Tariff | None:
        """Return the driver's own tariff."""
        return self.by_token.get((id_token or "").casefold())


def load(path: Path) -> Prices:
    """Read a tariff file.

    Raises:
        CsmsMistake: the file cannot be read, or an entry is wrong; the message names the entry.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CsmsMistake(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    try:
        if strange := set(content) - {"currency", "default", "tariffs", "tokens"}:
            raise ValueError(f"unknown key {min(strange)!r}; the keys are currency, default, tariffs and tokens")
        currency = content.get("currency")
        if not isinstance(currency, str) or len(currency) != 3:
            raise ValueError('currency must be a code of three letters, such as "EUR"')
        tables = content.get("tariffs", {})
        if not isinstance(tables, dict) or not tables:
            raise ValueError("there must be at least one table such as [tariffs.standard]")
        tariffs = {name: _tariff(name, currency, table) for name, table in tables.items()}
        tokens = content.get("tokens", {})
        if not isinstance(tokens, dict):
            raise ValueError("tokens must be a table of id tokens and names of tariffs")
        by_token = {token.casefold(): _named(f"tokens.{token}", name, tariffs) for token, name in tokens.items()}
        default = _named("default", content["default"], tariffs) if "default" in content else None
    except ValueError as error:
        raise CsmsMistake(f"{path}: {error}") from None
    return Prices(tariffs, default, by_token)


def _tariff(name: str, currency: str, table: object) -> Tariff:
    if not isinstance(table, dict):
        raise ValueError(f"tariffs.{name}: expected a table with {', '.join(KEYS)}")
    if strange := set(table) - set(KEYS):
        raise ValueError(f"tariffs.{name}: unknown key {min(strange)!r}; the keys are {', '.join(KEYS)}")
    for key, value in table.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
            raise ValueError(f"tariffs.{name}.{key} must be a number, 0 or more")
    prices = {key: float(value) for key, value in table.items() if key != "tax"}
    return Tariff(name, currency, prices, float(table.get("tax", 0)))


def _named(where: str, name: object, tariffs: Mapping[str, Tariff]) -> Tariff:
    if not isinstance(name, str) or name not in tariffs:
        raise ValueError(f"{where}: expected the name of a tariff ({', '.join(tariffs)}), got {name!r}")
    return tariffs[name]
