"""Measures the cost of judging a frame, and of the `ocpp` package's validation of the same frames, in one run.

python -m bench.judging
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from statistics import median

from ocpp.messages import Call, CallResult, unpack, validate_payload

from inspector.protocol import schemas
from inspector.protocol import session as protocol
from inspector.protocol.vocabulary import Direction, OcppVersion
from inspector.rules.context import Moment
from inspector.rules.judge import Judge

BARS_US = {"1.6": 12.0, "2.0.1": 20.0, "2.1": 20.0}
RATIO_BAR = 20.0
ROUNDS = 7
METERED = 1000
"""Meter values in the session that is judged: a day of charging, one a minute or so, a heartbeat after every fifth."""
START_S = 1_767_268_800
GAP_S = 60

type Frame = tuple[int, bool, str]
"""Nanoseconds since 1970, whether it is from the charge point, the text."""


class Session:
    """Builds a realistic charging session, one exchange after the other."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.now_s = START_S
        self.number = 0

    @property
    def time(self) -> str:
        return datetime.fromtimestamp(self.now_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def call(self, action: str, payload: str, answer: str = "{}") -> None:
        self.number += 1
        message_id = f"0d3b6c2e-5d8f-4b53-9b5a-{self.number:012x}"
        at = self.now_s * 1_000_000_000
        self.frames.append((at, True, f'[2,"{message_id}","{action}",{payload}]'))
        self.frames.append((at + 20_000_000, False, f'[3,"{message_id}",{answer}]'))
        self.now_s += 1


def session_16() -> list[Frame]:
    """Return a long charging session of OCPP 1.6."""
    s = Session()
    accepted = '{"idTagInfo":{"status":"Accepted"}}'
    boot = f'{{"status":"Accepted","currentTime":"{s.time}","interval":300}}'
    s.call("BootNotification", '{"chargePointVendor":"V","chargePointModel":"M","firmwareVersion":"1.0"}', boot)
    for connector, status in ((0, "Available"), (1, "Available"), (1, "Preparing")):
        s.call("StatusNotification", f'{{"connectorId":{connector},"errorCode":"NoError","status":"{status}"}}')
    s.call("Authorize", '{"idTag":"04A2B3C4"}', accepted)
    start = f'{{"connectorId":1,"idTag":"04A2B3C4","meterStart":1000,"timestamp":"{s.time}"}}'
    s.call("StartTransaction", start, '{"transactionId":7,"idTagInfo":{"status":"Accepted"}}')
    s.call("StatusNotification", '{"connectorId":1,"errorCode":"NoError","status":"Charging"}')
    for count in range(METERED):
        s.now_s += GAP_S
        sampled = (
            f'{{"value":"{1000 + 120 * count}","context":"Sample.Periodic","measurand":"Energy.Active.Import.Register",'
            f'"unit":"Wh"}},{{"value":"7400","context":"Sample.Periodic","measurand":"Power.Active.Import","unit":"W"}}'
        )
        values = f'[{{"timestamp":"{s.time}","sampledValue":[{sampled}]}}]'
        s.call("MeterValues", f'{{"connectorId":1,"transactionId":7,"meterValue":{values}}}')
        if count % 5 == 4:
            s.call("Heartbeat", "{}", f'{{"currentTime":"{s.time}"}}')
    return s.frames


def session_2x() -> list[Frame]:
    """Return a long charging session of OCPP 2.0.1; it is valid in 2.1 too."""
    s = Session()
    boot = f'{{"status":"Accepted","currentTime":"{s.time}","interval":300}}'
    s.call("BootNotification", '{"reason":"PowerUp","chargingStation":{"model":"M","vendorName":"V"}}', boot)
    for status in ("Available", "Occupied"):
        place = f'"connectorStatus":"{status}","evseId":1,"connectorId":1'
        s.call("StatusNotification", f'{{"timestamp":"{s.time}",{place}}}')
    token = '"idToken":{"idToken":"04A2B3C4","type":"ISO14443"}'
    s.call("Authorize", f"{{{token}}}", '{"idTokenInfo":{"status":"Accepted"}}')
    info = '"transactionInfo":{"transactionId":"6f9c7f5a-2f0d-4f60-8b0e-5f6d0a1b2c3d","chargingState":"Charging"}'
    started = f'"eventType":"Started","timestamp":"{s.time}","triggerReason":"Authorized","seqNo":0'
    place = '"evse":{"id":1,"connectorId":1}'
    s.call("TransactionEvent", f"{{{started},{info},{token},{place}}}", '{"idTokenInfo":{"status":"Accepted"}}')
    for count in range(METERED):
        s.now_s += GAP_S
        sampled = (
            f'{{"value":{1000.5 + 120 * count},"context":"Sample.Periodic","measurand":"Energy.Active.Import.Register",'
            f'"unitOfMeasure":{{"unit":"Wh"}}}},{{"value":7400.0,"context":"Sample.Periodic",'
            f'"measurand":"Power.Active.Import","unitOfMeasure":{{"unit":"W"}}}}'
        )
        values = f'"meterValue":[{{"timestamp":"{s.time}","sampledValue":[{sampled}]}}]'
        updated = (
            f'"eventType":"Updated","timestamp":"{s.time}","triggerReason":"MeterValuePeriodic","seqNo":{count + 1}'
        )
        s.call("TransactionEvent", f"{{{updated},{info},{values}}}")
        if count % 5 == 4:
            s.call("Heartbeat", "{}", f'{{"currentTime":"{s.time}"}}')
    return s.frames


SESSIONS = {"1.6": session_16(), "2.0.1": session_2x()}
JUDGED = {**SESSIONS, "2.1": SESSIONS["2.0.1"]}


def ours(version: str, frames: list[Frame]) -> float:
    """Return the µs per frame for parsing, schema and every rule."""
    raw = [(at, Direction.FROM_CHARGE_POINT if up else Direction.FROM_CSMS, text.encode()) for at, up, text in frames]
    spoken = f"ocpp{version}"
    facts = {"charge_point_id": "CP1", "subprotocol": spoken, "subprotocols_offered": [spoken], "request_path": "/CP1"}
    judging = Judge().open(facts, Moment(frames[0][0], frames[0][0]))
    found = list(judging.opened())
    began = time.process_time()
    for number, (at, direction, text) in enumerate(raw, 1):
        found += judging.frame(judging.protocol.frame(number, at, at, direction, text))
    spent = time.process_time() - began
    worst = [str(finding) for finding in found if finding.severity != "info"]
    assert not worst, f"the session is meant to be sound: {worst[:3]}"
    return spent / len(frames) * 1e6


def validating(version: str, frames: list[Frame]) -> float:
    """Return the µs per frame for parsing and schema without rules: the same work as `validate_payload`."""
    spoken = OcppVersion(version)
    raw = [(Direction.FROM_CHARGE_POINT if up else Direction.FROM_CSMS, text.encode()) for _, up, text in frames]
    session = protocol.Session(version=spoken)
    began = time.process_time()
    for number, (direction, text) in enumerate(raw, 1):
        frame = session.frame(number, number, number, direction, text)
        compiled = schemas.validator(
            spoken, frame.action or "", "request" if frame.answer_status is None else "response"
        )
        assert compiled is not None and compiled.is_valid(frame.payload)
    return (time.process_time() - began) / len(frames) * 1e6


async def theirs(version: str, frames: list[Frame]) -> float:
    """Return the µs per frame for `ocpp.messages.unpack` and `validate_payload`."""
    actions: dict[str, str] = {}
    began = time.process_time()
    for _, _, text in frames:
        message = unpack(text)
        if isinstance(message, Call):
            actions[message.unique_id] = message.action
        elif isinstance(message, CallResult):
            message.action = actions[message.unique_id]
        await validate_payload(message, version)
    return (time.process_time() - began) / len(frames) * 1e6


def measure(version: str) -> tuple[float, float, float]:
    """Return the median µs per frame of judging, validating alone and the `ocpp` package, measured alternately."""
    frames = JUDGED[version]
    judged, valid, other = [], [], []
    for _ in range(ROUNDS):
        judged.append(ours(version, frames))
        valid.append(validating(version, frames))
        other.append(asyncio.run(theirs(version, frames[:400])))
    return median(judged[1:]), median(valid[1:]), median(other[1:])


def main() -> None:
    """Print the cost of a frame in each version, and the ratio."""
    for version in JUDGED:
        judged, valid, other = measure(version)
        print(
            f"OCPP {version}: {judged:.1f} µs a frame for parsing, schema and all rules (bar {BARS_US[version]:g}), "
            f"{other / judged:.0f} times faster than ocpp's validate_payload ({other:.0f} µs); "
            f"parsing and schema alone {valid:.1f} µs, {other / valid:.0f} times faster (bar {RATIO_BAR:g})"
        )


if __name__ == "__main__":
    main()
