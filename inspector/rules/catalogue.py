"""Which topics there are, in the order they are judged; knows nothing else.

Topics that keep what others ask for stand before those that ask.
"""

from __future__ import annotations

from inspector.rules.availability import Availability
from inspector.rules.boot import Boot
from inspector.rules.boot_after import BootAfter
from inspector.rules.boot_order import BootOrder
from inspector.rules.charging_profiles import ChargingProfiles
from inspector.rules.configuration_state import ConfigurationState
from inspector.rules.configuration_v16 import Configuration16
from inspector.rules.connectors_v16 import Connectors16
from inspector.rules.evidence import Evidence
from inspector.rules.evses_v2x import Evses2x
from inspector.rules.exchange import Exchange, SeenIds
from inspector.rules.exchange_v21 import Exchange21
from inspector.rules.firmware import Firmware
from inspector.rules.heartbeat import Heartbeat
from inspector.rules.link import Link, Reconnects
from inspector.rules.lists import LocalLists, VendorData
from inspector.rules.meter import Registers, Samples16
from inspector.rules.payload import Payload
from inspector.rules.remote_control import RemoteControl
from inspector.rules.reports_v2x import Reports2x
from inspector.rules.reservations import Reservations
from inspector.rules.reset import Reset
from inspector.rules.rpc import Rpc
from inspector.rules.rule import Topic
from inspector.rules.security import Security
from inspector.rules.status_v16 import Status16
from inspector.rules.timestamps import Timestamps
from inspector.rules.transaction_authorization_v16 import TransactionAuthorization16
from inspector.rules.transaction_content_v2x import TransactionContent2x
from inspector.rules.transaction_content_v16 import TransactionContent16
from inspector.rules.transaction_events_v2x import TransactionEvents2x
from inspector.rules.transaction_ids_v16 import TransactionIds16
from inspector.rules.transaction_requests_v2x import TransactionRequests2x
from inspector.rules.transactions_v2x import Transactions2x
from inspector.rules.transactions_v16 import Transactions16
from inspector.rules.trigger import Triggers
from inspector.rules.unlock import Unlock
from inspector.rules.variables_v2x import Variables2x

TOPICS: tuple[type[Topic], ...] = (
    Rpc,
    SeenIds,
    Exchange,
    Exchange21,
    Payload,
    Timestamps,
    Evidence,
    Security,
    ConfigurationState,
    BootOrder,
    BootAfter,
    Boot,
    Heartbeat,
    Reconnects,
    Link,
    Transactions16,
    TransactionIds16,
    TransactionContent16,
    TransactionAuthorization16,
    Connectors16,
    Status16,
    Transactions2x,
    TransactionEvents2x,
    TransactionContent2x,
    TransactionRequests2x,
    Evses2x,
    Reset,
    Registers,
    Samples16,
    ChargingProfiles,
    LocalLists,
    VendorData,
    Configuration16,
    Variables2x,
    Reports2x,
    RemoteControl,
    Triggers,
    Availability,
    Unlock,
    Reservations,
    Firmware,
)
