"""Write the messages of a charge point in one OCPP version, and read their answers, without sending anything.

`v16.charge_point` and `v2x.charge_point` implement it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from simulator.certificates import CertificateStore
from simulator.charging.connector import Connector, Transaction
from simulator.charging.meter import Reading
from simulator.charging.reservations import Reservation
from simulator.charging.tokens import Verdict
from simulator.clock import timestamp
from simulator.settings import Settings
from simulator.wire.connection import Identity
from simulator.wire.link import Message, Payload
from simulator.wire.outbox import Build


class Dialect(ABC):
    """The messages of one version.

    A method returns None if the version has no such message. A method that returns a `Build` writes a message of a
    transaction: the outbox sends these messages in order, and after an offline time.
    """

    version: ClassVar[str]
    bad_certificate_event: ClassVar[str]
    """The security event that reports an unusable certificate in CertificateSigned."""
    list_version_member: ClassVar[str]
    """The member of SendLocalList and GetLocalListVersion with the version of the list."""
    list_off: ClassVar[tuple[str, int]]
    """The status and the list version in answers while the local list is switched off."""

    def __init__(self, identity: Identity, settings: Settings, certificates: CertificateStore) -> None:
        self.identity, self.settings, self.certificates = identity, settings, certificates

    # --- the charge point and its connectors ---------------------------------------------------------------------

    @abstractmethod
    def boot(self, reason: str, firmware: str) -> Message:
        """Write BootNotification."""

    @abstractmethod
    def status(self, connector: Connector) -> Message:
        """Write StatusNotification."""

    @abstractmethod
    def shown_status(self, status: str) -> str:
        """Return the status in StatusNotification for a status of `connector.ALL`."""

    def whole_status(self, operative: bool) -> Message | None:
        """Write the status of the whole charge point, which is connector 0 in 1.6."""
        return None

    def fault(self, connector: Connector, cleared: bool) -> Message | None:
        """Write the message that reports a fault, or its end, in addition to the status."""
        return None

    def event(self, component: Payload, variable: Payload, value: str, **members: Any) -> Message | None:
        """Write NotifyEvent with one event; `members` are further members of its EventDataType."""
        return None

    def reservation_ended(self, reservation: Reservation, why: str) -> Message | None:
        """Write the message that a reservation is Expired or Removed."""
        return None

    def security_event(self, kind: str, info: str | None = None) -> Message:
        """Write SecurityEventNotification."""
        payload = {"type": kind, "timestamp": timestamp()} | ({} if info is None else {"techInfo": info})
        return "SecurityEventNotification", payload

    @abstractmethod
    def firmware_status(self, status: str, request_id: int | None) -> Message:
        """Write the progress of a firmware update; `request_id` is None for a request without an id."""

    def log_status(self, status: str, request_id: int | None) -> Message:
        """Write the progress of a log upload."""
        info = {} if status == "Idle" else {"requestId": request_id}
        return "LogStatusNotification", {"status": "UploadFailure" if status == "UploadFailed" else status, **info}

    def log_canceled(self, request_id: int | None) -> Message | None:
        """Write the message that a newer request canceled a log upload."""
        return None

    def rejected(self, reason: str) -> Payload:
        """Return an answer with the status Rejected; only 2.x includes the reason code."""
        return {"status": "Rejected"}

    # --- tokens --------------------------------------------------------------------------------------------------

    @abstractmethod
    def authorize(self, token: str, kind: str) -> Message:
        """Write Authorize."""

    @abstractmethod
    def authorized(self, answer: Payload) -> Verdict:
        """Return the verdict about the token in the answer to Authorize."""

    @abstractmethod
    def list_entry(self, entry: Payload) -> tuple[str, Verdict | None]:
        """Return token and verdict of an entry in SendLocalList; the verdict None removes the token from the list."""

    # --- metering and transactions -------------------------------------------------------------------------------

    @abstractmethod
    def meter_values(self, connector: Connector, reading: Reading, context: str) -> Message | None:
        """Write MeterValues outside a transaction; return None if no measurand is configured."""

    @abstractmethod
    def started(self, connector: Connector, tx: Transaction, reading: Reading, trigger: str) -> Build:
        """Write the start of a transaction."""

    @abstractmethod
    def start_answered(self, tx: Transaction, answer: Payload) -> Verdict:
        """Store the facts in the answer to a start, and return its verdict about the token."""

    @abstractmethod
    def sampled(self, connector: Connector, tx: Transaction, reading: Reading, context: str) -> Build | None:
        """Write a meter reading of a transaction; return None if no measurand is configured."""

    def state_changed(self, connector: Connector, tx: Transaction) -> Build | None:
        """Write the message that charging paused or resumed; 1.6 only reports it by the connector's status."""
        return None

    def updated(self, connector: Connector, tx: Transaction, trigger: str) -> Build | None:
        """Write an update of a transaction with a TriggerReason of 2.x."""
        return None

    def rate_changed(self, connector: Connector, tx: Transaction, reading: Reading) -> Build | None:
        """Write the message that a limit changed the power."""
        return None

    @abstractmethod
    def stopped(self, connector: Connector, tx: Transaction, reading: Reading, reason: str, token: str | None) -> Build:
        """Write the end of a transaction."""
