"""List all topics in the order in which they are judged.

A topic whose state other topics use comes before them.
"""

from __future__ import annotations

from inspector.rules.rule import Topic
from inspector.rules.state.authorized_v2x import Authorized2x
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.device_model import DeviceModel
from inspector.rules.state.observation import Observation
from inspector.rules.state.registration import RegistrationState
from inspector.rules.state.tokens_v2x import KnownTokens2x
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.state.transactions_v16 import Transactions16
from inspector.rules.topics.attempts import Attempts
from inspector.rules.topics.authorization.advice_v2x import AuthorizationAdvice
from inspector.rules.topics.authorization.answers_v2x import AuthorizeAnswers2x
from inspector.rules.topics.authorization.local_list_v2x import LocalListContent2x
from inspector.rules.topics.authorization.master_pass_v2x import MasterPass2x
from inspector.rules.topics.authorization.payments_v21 import Payments21
from inspector.rules.topics.authorization.prepaid_v21 import Prepaid21
from inspector.rules.topics.authorization.requests_v2x import AuthorizeRequests2x
from inspector.rules.topics.authorization.settled_v21 import Settlements21
from inspector.rules.topics.authorization.tags_v16 import Tags16
from inspector.rules.topics.authorization.tokens_v2x import TokenUse2x
from inspector.rules.topics.authorization_v2x import Authorization2x
from inspector.rules.topics.availability.after_offline_v2x import AfterOffline2x
from inspector.rules.topics.availability.change_availability import Availability
from inspector.rules.topics.availability.connectors_v16 import Connectors16
from inspector.rules.topics.availability.evses_v2x import Evses2x
from inspector.rules.topics.availability.heartbeat import Heartbeat
from inspector.rules.topics.availability.locks_v2x import Locks2x
from inspector.rules.topics.availability.occupied_v2x import Occupied2x
from inspector.rules.topics.availability.status_v16 import Status16
from inspector.rules.topics.battery_charging_v21 import BatteryCharging21
from inspector.rules.topics.battery_slots_v21 import BatterySlots21
from inspector.rules.topics.battery_stock_v21 import BatteryStock21
from inspector.rules.topics.battery_swap_v21 import BatterySwaps21
from inspector.rules.topics.certificate_requests import CertificateRequests
from inspector.rules.topics.certificate_use.advice_v2x import CertificateAdvice
from inspector.rules.topics.certificate_use.contracts_v21 import ContractCertificates
from inspector.rules.topics.certificate_use.contradicted_v2x import ContradictedCertificates
from inspector.rules.topics.certificate_use.installed_v2x import InstalledCertificates
from inspector.rules.topics.certificate_use.keys_v2x import CertificateKeys
from inspector.rules.topics.certificate_use.matching_v2x import CertificateMatches
from inspector.rules.topics.certificate_use.ocsp_v2x import CertificateStatus
from inspector.rules.topics.certificate_use.properties import CertificateProperties
from inspector.rules.topics.certificate_use.roots_v2x import RootCertificates
from inspector.rules.topics.certificates import Certificates
from inspector.rules.topics.connection import Connection, Reconnects
from inspector.rules.topics.customer_v2x import CustomerInformation
from inspector.rules.topics.data_transfer import DataTransfers
from inspector.rules.topics.der.answers_v21 import DerAnswers21
from inspector.rules.topics.der.controls_v21 import DerControls21
from inspector.rules.topics.der.known_v21 import KnownControls
from inspector.rules.topics.der.nameplate_v21 import Nameplates21
from inspector.rules.topics.der.running_v21 import DerReports21
from inspector.rules.topics.display_kept_v2x import KeptMessages
from inspector.rules.topics.display_support_v2x import DisplaySupport
from inspector.rules.topics.display_v2x import DisplayMessages
from inspector.rules.topics.firmware.afterwards_v2x import FirmwareAfterwards
from inspector.rules.topics.firmware.answers import FirmwareAnswers
from inspector.rules.topics.firmware.course_v2x import FirmwareCourse
from inspector.rules.topics.firmware.diagnostics_v16 import Diagnostics16
from inspector.rules.topics.firmware.logs_v2x import LogUploads
from inspector.rules.topics.firmware.publish_v2x import PublishedFirmware
from inspector.rules.topics.firmware.restart_v2x import FirmwareRestarts
from inspector.rules.topics.firmware.schedule_v2x import FirmwareSchedule
from inspector.rules.topics.firmware.status import Firmware
from inspector.rules.topics.local_list import LocalLists, VendorData
from inspector.rules.topics.lost_connections import LostConnections
from inspector.rules.topics.metering.bounds_v16 import MeterBounds16
from inspector.rules.topics.metering.clock_aligned_v2x import ClockAligned2x
from inspector.rules.topics.metering.configured_v16 import ConfiguredValues16
from inspector.rules.topics.metering.dropped_v2x import DroppedSamples2x
from inspector.rules.topics.metering.energy import EnergyAndPower
from inspector.rules.topics.metering.meaning_v2x import SampleMeanings2x
from inspector.rules.topics.metering.measurands_v2x import Measurands2x
from inspector.rules.topics.metering.periodic_v2x import PeriodicSamples2x
from inspector.rules.topics.metering.registers import Registers
from inspector.rules.topics.metering.sampled_values import SampledValues
from inspector.rules.topics.metering.samples_v16 import Samples16
from inspector.rules.topics.metering.signatures import Signatures
from inspector.rules.topics.metering.signed_v2x import SignedValues2x
from inspector.rules.topics.monitoring.accepted import MonitorAnswers
from inspector.rules.topics.monitoring.events import Events2x
from inspector.rules.topics.monitoring.fitting import FittingMonitors
from inspector.rules.topics.monitoring.installed import InstalledMonitors
from inspector.rules.topics.monitoring.monitors import Monitors
from inspector.rules.topics.monitoring.open_streams_v21 import OpenStreams21
from inspector.rules.topics.monitoring.periodic import PeriodicMonitors
from inspector.rules.topics.monitoring.raised import RaisedEvents
from inspector.rules.topics.monitoring.refused import RefusedMonitors
from inspector.rules.topics.monitoring.reported import MonitorReports
from inspector.rules.topics.monitoring.severities import EventSeverities
from inspector.rules.topics.monitoring.streams_v21 import Streams21
from inspector.rules.topics.monitoring.unraised import UnraisedEvents
from inspector.rules.topics.provisioning.advice_v2x import ProvisioningAdvice
from inspector.rules.topics.provisioning.boot_after import BootAfter
from inspector.rules.topics.provisioning.boot_order import BootOrder
from inspector.rules.topics.provisioning.boot_pace import BootPace
from inspector.rules.topics.provisioning.configuration_v16 import Configuration16
from inspector.rules.topics.provisioning.network_variables_v21 import NetworkVariables21
from inspector.rules.topics.provisioning.networks_refused_v2x import NetworksRefused2x
from inspector.rules.topics.provisioning.networks_used_v2x import NetworksUsed2x
from inspector.rules.topics.provisioning.networks_v2x import Networks2x
from inspector.rules.topics.provisioning.report_content_v2x import ReportContent2x
from inspector.rules.topics.provisioning.report_whole_v2x import ReportWhole2x
from inspector.rules.topics.provisioning.reports_v2x import Reports2x
from inspector.rules.topics.provisioning.reset import Reset
from inspector.rules.topics.provisioning.reset_done_v2x import ResetDone2x
from inspector.rules.topics.provisioning.reset_ends_v2x import ResetEnds2x
from inspector.rules.topics.provisioning.reset_resume_v21 import ResetResume21
from inspector.rules.topics.provisioning.reset_v2x import Reset2x
from inspector.rules.topics.provisioning.reset_v16 import Reset16
from inspector.rules.topics.provisioning.values_v2x import VariableValues2x
from inspector.rules.topics.provisioning.variables_v2x import Variables2x
from inspector.rules.topics.refused_passwords import RefusedPasswords
from inspector.rules.topics.remote_control.custom_v2x import Custom2x
from inspector.rules.topics.remote_control.remote_answers import RemoteAnswers
from inspector.rules.topics.remote_control.start_place_v2x import StartPlaces2x
from inspector.rules.topics.remote_control.start_stop import RemoteControl
from inspector.rules.topics.remote_control.trigger import Triggers
from inspector.rules.topics.remote_control.trigger_all_v2x import TriggersForAll2x
from inspector.rules.topics.remote_control.trigger_answers import TriggerAnswers
from inspector.rules.topics.remote_control.unlock import Unlock
from inspector.rules.topics.reservation.anywhere_v2x import AnyEvse2x
from inspector.rules.topics.reservation.booking import Reservations
from inspector.rules.topics.reservation.ended import Reserved
from inspector.rules.topics.reservation.places_v2x import ReservedPlaces2x
from inspector.rules.topics.reservation.used_v2x import UsedReservations2x
from inspector.rules.topics.rpc.envelope import Rpc
from inspector.rules.topics.rpc.exchange import Exchange, SeenIds
from inspector.rules.topics.rpc.exchange_v21 import Exchange21
from inspector.rules.topics.rpc.schema import Payload
from inspector.rules.topics.rpc.timestamps import Timestamps
from inspector.rules.topics.security import Security
from inspector.rules.topics.security_v2x import Security2x
from inspector.rules.topics.smart_charging.advice_v2x import ChargingAdvice
from inspector.rules.topics.smart_charging.answered import ProfileAnswers
from inspector.rules.topics.smart_charging.cleared import ChargingLimits, ClearedProfiles
from inspector.rules.topics.smart_charging.composite import CompositeSchedules
from inspector.rules.topics.smart_charging.composites_v2x import ComparedComposites
from inspector.rules.topics.smart_charging.content_v2x import ProfileContent2x
from inspector.rules.topics.smart_charging.contents_v2x import ProfileContents
from inspector.rules.topics.smart_charging.dynamic_v21 import DynamicProfiles21
from inspector.rules.topics.smart_charging.ev_schedule import CarSchedules
from inspector.rules.topics.smart_charging.external import ExternalLimits
from inspector.rules.topics.smart_charging.external_setpoint_v21 import ExternalSetpoints21
from inspector.rules.topics.smart_charging.metered_v2x import MeteredLimits
from inspector.rules.topics.smart_charging.needs import ChargingNeeds
from inspector.rules.topics.smart_charging.overruled_v2x import OverruledProfiles
from inspector.rules.topics.smart_charging.periods import SchedulePeriods
from inspector.rules.topics.smart_charging.phases_v21 import ProfilePhases21
from inspector.rules.topics.smart_charging.profiles import ChargingProfiles
from inspector.rules.topics.smart_charging.profiles_v21 import Profiles21
from inspector.rules.topics.smart_charging.rates_v2x import ChangedRates
from inspector.rules.topics.smart_charging.reasons_v21 import RejectionReasons21
from inspector.rules.topics.smart_charging.reported import ReportedProfiles
from inspector.rules.topics.smart_charging.retries_v21 import ProfileRetries21
from inspector.rules.topics.smart_charging.running_v21 import RunningProfiles21
from inspector.rules.topics.smart_charging.sent_v2x import SentProfiles2x
from inspector.rules.topics.smart_charging.setpoints_v21 import Setpoints21
from inspector.rules.topics.smart_charging.start_used_v2x import StartProfiles2x
from inspector.rules.topics.smart_charging.supported_v21 import SupportedProfiles
from inspector.rules.topics.smart_charging.unsupported_v2x import UnusableProfiles2x
from inspector.rules.topics.smart_charging.v2x_modes_v21 import Modes21
from inspector.rules.topics.smart_charging.v2x_needs_v21 import TwoWayNeeds21
from inspector.rules.topics.tariffs.answers_v21 import TariffAnswers21
from inspector.rules.topics.tariffs.costs_v21 import Costs21
from inspector.rules.topics.tariffs.drivers_v21 import DriverTariffs21
from inspector.rules.topics.tariffs.events_v21 import TariffEvents21, TariffMessages2x
from inspector.rules.topics.tariffs.final_costs_v21 import FinalCosts21
from inspector.rules.topics.tariffs.in_force_v21 import TariffsInForce21
from inspector.rules.topics.tariffs.known_v21 import KnownTariffs
from inspector.rules.topics.tariffs.problem_v21 import TariffProblem21
from inspector.rules.topics.tariffs.required_v21 import RequiredTariffs21
from inspector.rules.topics.tariffs.tariffs_v21 import Tariffs21
from inspector.rules.topics.tariffs.totals_v2x import Totals2x
from inspector.rules.topics.transactions.advice_v2x import TransactionAdvice
from inspector.rules.topics.transactions.attempts_v2x import Attempts2x
from inspector.rules.topics.transactions.authorization_v16 import TransactionAuthorization16
from inspector.rules.topics.transactions.bay_v2x import ParkingBays2x
from inspector.rules.topics.transactions.commands_v2x import Commands2x
from inspector.rules.topics.transactions.content_v2x import TransactionContent2x
from inspector.rules.topics.transactions.content_v16 import TransactionContent16
from inspector.rules.topics.transactions.cost_limit_v21 import CostLimits21
from inspector.rules.topics.transactions.deauthorization_v2x import Deauthorization2x
from inspector.rules.topics.transactions.events_v2x import TransactionEvents2x
from inspector.rules.topics.transactions.ids_v16 import TransactionIds16
from inspector.rules.topics.transactions.limits_v21 import Limits21
from inspector.rules.topics.transactions.phases_v2x import PhasesAndSignatures2x
from inspector.rules.topics.transactions.points_v2x import Points2x
from inspector.rules.topics.transactions.raised_v21 import RaisedLimits21
from inspector.rules.topics.transactions.refusals_v2x import Refusals2x
from inspector.rules.topics.transactions.requests_v2x import TransactionRequests2x
from inspector.rules.topics.transactions.resumed_state_v21 import ResumedStates21
from inspector.rules.topics.transactions.resumed_v21 import Resumed21
from inspector.rules.topics.transactions.states_v2x import States2x
from inspector.rules.topics.transactions.stopped_v2x import Stopped2x
from inspector.rules.topics.transactions.tokens_v2x import Tokens2x

TOPICS: tuple[type[Topic], ...] = (
    Rpc,
    SeenIds,
    Exchange,
    Exchange21,
    Payload,
    Timestamps,
    Observation,
    Security,
    RefusedPasswords,
    ConfigurationState,
    BootOrder,
    BootAfter,
    BootPace,
    RegistrationState,
    Heartbeat,
    Reconnects,
    Connection,
    LostConnections,
    Attempts,
    Transactions16,
    Tags16,
    TransactionIds16,
    TransactionContent16,
    TransactionAuthorization16,
    Connectors16,
    Status16,
    Transactions2x,
    Authorized2x,
    TransactionEvents2x,
    TransactionContent2x,
    TransactionRequests2x,
    AfterOffline2x,
    Evses2x,
    Reset,
    Reset16,
    Reset2x,
    ResetEnds2x,
    ResetDone2x,
    ResetResume21,
    Deauthorization2x,
    Stopped2x,
    Tokens2x,
    Points2x,
    ParkingBays2x,
    PhasesAndSignatures2x,
    Attempts2x,
    States2x,
    Commands2x,
    SampledValues,
    EnergyAndPower,
    MeterBounds16,
    ConfiguredValues16,
    Measurands2x,
    SampleMeanings2x,
    SignedValues2x,
    Signatures,
    ClockAligned2x,
    DroppedSamples2x,
    PeriodicSamples2x,
    Registers,
    Samples16,
    SentProfiles2x,
    SupportedProfiles,
    ProfileAnswers,
    Profiles21,
    TwoWayNeeds21,
    Modes21,
    TransactionAdvice,
    Refusals2x,
    Limits21,
    RaisedLimits21,
    CostLimits21,
    Resumed21,
    ResumedStates21,
    ClearedProfiles,
    ChargingLimits,
    ProfileContent2x,
    ChargingNeeds,
    CarSchedules,
    ChargingAdvice,
    ComparedComposites,
    ChargingProfiles,
    SchedulePeriods,
    ReportedProfiles,
    UnusableProfiles2x,
    RunningProfiles21,
    Setpoints21,
    ExternalSetpoints21,
    ExternalLimits,
    DynamicProfiles21,
    CompositeSchedules,
    MeteredLimits,
    ChangedRates,
    RejectionReasons21,
    ProfileRetries21,
    ProfileContents,
    OverruledProfiles,
    ProfilePhases21,
    StartProfiles2x,
    LocalLists,
    DataTransfers,
    VendorData,
    Configuration16,
    Variables2x,
    VariableValues2x,
    ReportContent2x,
    ReportWhole2x,
    Networks2x,
    NetworksUsed2x,
    NetworksRefused2x,
    Security2x,
    NetworkVariables21,
    DeviceModel,
    ProvisioningAdvice,
    Reports2x,
    RemoteControl,
    RemoteAnswers,
    StartPlaces2x,
    Custom2x,
    Certificates,
    CertificateRequests,
    CertificateProperties,
    CertificateKeys,
    CertificateMatches,
    RootCertificates,
    InstalledCertificates,
    ContradictedCertificates,
    ContractCertificates,
    CertificateAdvice,
    CertificateStatus,
    Triggers,
    TriggerAnswers,
    TriggersForAll2x,
    Availability,
    Occupied2x,
    Locks2x,
    Unlock,
    Reserved,
    Reservations,
    ReservedPlaces2x,
    AnyEvse2x,
    UsedReservations2x,
    Firmware,
    FirmwareAnswers,
    Diagnostics16,
    TokenUse2x,
    AuthorizeRequests2x,
    MasterPass2x,
    Payments21,
    Settlements21,
    Prepaid21,
    AuthorizeAnswers2x,
    AuthorizationAdvice,
    KnownTokens2x,
    LocalListContent2x,
    LogUploads,
    PublishedFirmware,
    FirmwareSchedule,
    FirmwareRestarts,
    FirmwareAfterwards,
    FirmwareCourse,
    Authorization2x,
    Events2x,
    Monitors,
    Streams21,
    OpenStreams21,
    RaisedEvents,
    MonitorReports,
    MonitorAnswers,
    InstalledMonitors,
    EventSeverities,
    PeriodicMonitors,
    RefusedMonitors,
    UnraisedEvents,
    FittingMonitors,
    DisplayMessages,
    DisplaySupport,
    KeptMessages,
    CustomerInformation,
    Tariffs21,
    TariffAnswers21,
    RequiredTariffs21,
    KnownTariffs,
    DriverTariffs21,
    TariffsInForce21,
    TariffEvents21,
    TariffMessages2x,
    FinalCosts21,
    Costs21,
    Totals2x,
    TariffProblem21,
    BatterySwaps21,
    BatterySlots21,
    BatteryStock21,
    BatteryCharging21,
    DerControls21,
    DerAnswers21,
    KnownControls,
    DerReports21,
    Nameplates21,
)
