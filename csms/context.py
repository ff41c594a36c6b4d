"""The objects that all parts of one running CSMS share, such as its settings and its store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from csms.certificates.authority import Authority
from csms.certificates.contracts import Contracts
from csms.configuration import Configuration, Settings
from csms.message_log import Logs
from csms.misbehaviour import Misbehaviours
from csms.passwords import Passwords
from csms.prices import Prices
from csms.store import Store

RECEIPTS = "/receipts/"
"""The path of receipts on the port of the charge points."""


@dataclass(slots=True)
class Context:
    """The shared parts.

    Args:
        settings: the options of the CSMS.
        store: the state of the CSMS, in SQLite.
        authority: the CA that signs certificates of charge points; None if there is no CA.
        contracts: the CA of contract certificates, with its OCSP responder.
        prices: the tariffs of the tariff file.
        misbehaviours: the active orders to misbehave.
        log: the last messages of every charge point.
        address: the address for charge points, such as `ws://127.0.0.1:9000`; empty until the CSMS listens.
    """

    settings: Settings
    store: Store
    authority: Authority | None
    contracts: Contracts
    prices: Prices
    misbehaviours: Misbehaviours
    log: Logs
    address: str = ""

    @classmethod
    def start(
        cls, settings: Settings, configuration: Configuration | None, is_connected: Callable[[str], bool]
    ) -> Context:
        """Open the store and apply the configuration file.

        Args:
            settings: the options of the CSMS.
            configuration: the content of the configuration file.
            is_connected: returns whether a charge point is connected now.

        Raises:
            CsmsMistake: the store or the CA's file cannot be used.
        """
        authority = Authority(settings.sign_with) if settings.sign_with else None
        store = Store(settings.db, settings.file_mode)
        misbehaviours = Misbehaviours()
        if configuration is not None:
            configuration.apply(store)
            for order in configuration.misbehaviours:
                misbehaviours.add(order)
        contracts = Contracts(settings.contract_ca, store)
        prices = settings.prices or Prices()
        return cls(settings, store, authority, contracts, prices, misbehaviours, Logs(is_connected, store.passwords))

    @property
    def passwords(self) -> Passwords:
        """The known passwords, which are replaced with asterisks wherever a text quotes them."""
        return self.store.passwords

    def receipt_url(self, number: str) -> str:
        """Return the address of a receipt; the port of the charge points serves it."""
        return f"{self.address.replace('ws', 'http', 1)}{RECEIPTS}{number}"

    def boot_policy(self, charge_point_id: str) -> str:
        """Return the answer to a charge point's boot: Accepted, Pending or Rejected."""
        known = self.store.charge_point(charge_point_id)
        return str((known and known["boot_policy"]) or self.settings.boot)
