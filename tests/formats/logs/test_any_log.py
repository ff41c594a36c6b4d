"""A session written as a log, in any known line format, wrapping and container, is read back as the same session."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inspector import records
from inspector.formats.inputs import open_input
from inspector.formats.reading import Reading
from tests.examples import examples

NOON_MS = 1_767_268_800_000


class Sent(NamedTuple):
    """A frame of the session: who sent it, when (milliseconds since 1970), and its text."""

    up: bool
    at_ms: int
    raw: str


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp", "Cf")), max_size=20)


@st.composite
def sessions(draw: st.DrawFn) -> list[Sent]:
    """A boot, then CALLs of both sides, each with its answer."""
    frames = [
        (True, '[2,"0","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]'),
        (False, '[3,"0",{"status":"Accepted","currentTime":"2026-01-01T12:00:00.000Z","interval":300}]'),
    ]
    for number in range(1, draw(st.integers(1, 6))):
        data = json.dumps(draw(TEXTS), ensure_ascii=draw(st.booleans()))
        calls: list[tuple[bool, str, str]] = [
            (True, "Heartbeat", "{}"),
            (True, "MeterValues", f'{{"connectorId":{number},"meterValue":[{{"sampledValue":[{{"value":"1.50"}}]}}]}}'),
            (False, "Reset", '{"type":"Soft"}'),
            (False, "ChangeConfiguration", f'{{"key":"K","value":{data}}}'),
            (True, "DataTransfer", f'{{"vendorId":"x","data":{data}}}'),
        ]
        up, action, payload = draw(st.sampled_from(calls))
        frames.append((up, f'[2,"m{number}","{action}",{payload}]'))
        refused = f'[4,"m{number}","NotSupported",{data},{{}}]'
        answers = [f'[3,"m{number}",{{"currentTime":"2026-01-01T12:00:0{number}.000Z"}}]', refused]
        frames.append((not up, answers[action != "Heartbeat"]))
    return [Sent(up, NOON_MS + 500 * number, raw) for number, (up, raw) in enumerate(frames)]


def iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def plain(at_ms: int) -> str:
    return iso(at_ms)[:-1].replace("T", " ")


def word(up: bool, ours: str, theirs: str) -> str:
    return theirs if up else ours


type Form = Callable[[Sent], str]
FORMS: dict[str, Form] = {
    "arrow": lambda f: f"{iso(f.at_ms)} CP1 {'>' if f.up else '<'} {f.raw}",
    "steve": lambda f: (
        f"[INFO ] {plain(f.at_ms).replace('.', ',')} de.Logger (qtp1-5) - [chargeBoxId=CP1, sessionId=7a] "
        f"{word(f.up, 'Sending', 'Received')}: {f.raw}"
    ),
    "mobilityhouse": lambda f: (
        f"{plain(f.at_ms)} INFO (MainThread) [ocpp] CP1: {word(f.up, 'send', 'receive message')} {f.raw}"
    ),
    "evcc": lambda f: f"[ocpp  ] TRACE {plain(f.at_ms).replace('-', '/')} {word(f.up, 'send', 'recv')} CP1: {f.raw}",
    "everest": lambda f: (
        f"{iso(f.at_ms)}: {word(f.up, 'CentralSystem>ChargePoint', 'ChargePoint>CentralSystem')} X\n{f.raw}\n"
    ),
    "charge point": lambda f: f"{iso(f.at_ms)}:COM:rpc.c:{word(f.up, '44:<-', '71:->')} {f.raw}",
    "epoch": lambda f: f"{f.at_ms} {word(f.up, 'TX', 'RX')} CP1 {f.raw}",
    "portal": lambda f: f"{iso(f.at_ms)} {word(f.up, 'Outgoing', 'Incoming')} {f.raw}",
    "json line": lambda f: json.dumps(
        {"ts": iso(f.at_ms), "cpId": "CP1", "dir": word(f.up, "out", "in"), "msg": f.raw}, ensure_ascii=False
    ),
    "frame in json": lambda f: (
        f'{{"time":"{iso(f.at_ms)}","stationId":"CP1","direction":'
        f'"{word(f.up, "csms-to-cp", "cp-to-csms")}","frame":{f.raw}}}'
    ),
    "logfmt": lambda f: (
        f'time={iso(f.at_ms)} level=debug cpId=CP1 msg="{word(f.up, "sent", "received")}" '
        f"payload={json.dumps(f.raw, ensure_ascii=False)}"
    ),
}
PREFIXES = ("", "csms-1  | ", "Jan 01 12:00:00 pi csms[12]: ")
CONTAINERS: dict[str, Callable[[list[str]], bytes]] = {
    "lines": lambda lines: "\n".join(lines).encode(),
    "windows": lambda lines: ("\r\n".join(lines) + "\r\n").encode(),
    "utf-16": lambda lines: "\n".join(lines).encode("utf-16"),
    "gzip": lambda lines: gzip.compress("\n".join(lines).encode()),
    "byte order mark": lambda lines: b"\xef\xbb\xbf" + "\n".join(lines).encode(),
    "docker": lambda lines: "\n".join(
        json.dumps({"log": line + "\n", "stream": "stdout"}, ensure_ascii=False) for line in lines
    ).encode(),
    "fences": lambda lines: "\n".join(["Look:", "```", *lines, "```"]).encode(),
    "preamble": lambda lines: "\n".join(["starting", "[main] ready", "", *lines, "done"]).encode(),
    "array": lambda lines: json.dumps([{"message": line} for line in lines], indent=1, ensure_ascii=False).encode(),
}


def read(path: Path) -> tuple[list[Sent], Reading, list[Any]]:
    reading = Reading(path.name, strict=False)
    steps = [step for step, _ in open_input(str(path), reading=reading)]
    frames = [
        Sent(step.from_charge_point, step.ts_ns // 1_000_000, step.payload.decode())
        for step in steps
        if isinstance(step, records.FrameRecord)
    ]
    return frames, reading, [step.facts for step in steps if isinstance(step, records.OpenRecord)]


@settings(max_examples=examples(120), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    session=sessions(),
    form=st.sampled_from(sorted(FORMS)),
    prefix=st.sampled_from(PREFIXES),
    container=st.sampled_from(sorted(CONTAINERS)),
    newest_first=st.booleans(),
)
def test_a_session_comes_back_from_any_log(
    tmp_path: Path, session: list[Sent], form: str, prefix: str, container: str, newest_first: bool
) -> None:
    entries = [prefix + FORMS[form](frame) for frame in session]
    lines = [line for entry in (reversed(entries) if newest_first else entries) for line in entry.split("\n")]
    path = tmp_path / "a.log"
    path.write_bytes(CONTAINERS[container](lines))
    frames, reading, opened = read(path)
    assert frames == session
    assert reading.missed == 0 and len(opened) == 1


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    session=sessions(),
    form=st.sampled_from(["arrow", "steve", "mobilityhouse", "evcc", "charge point", "portal"]),
    width=st.integers(110, 170),
)
def test_a_session_comes_back_from_lines_that_a_terminal_broke(
    tmp_path: Path, session: list[Sent], form: str, width: int
) -> None:
    """The log's own text is on the first line only; a break within a string or number is not part of the frame."""
    lines = [FORMS[form](frame) for frame in session]
    broken = [line[at : at + width] for line in lines for at in range(0, len(line), width)]
    (tmp_path / "a.log").write_text("\n".join(broken))
    frames, reading, _ = read(tmp_path / "a.log")
    assert [frame._replace(raw=json.loads(frame.raw)) for frame in frames] == [
        frame._replace(raw=json.loads(frame.raw)) for frame in session
    ]
    assert reading.missed == 0


@pytest.mark.parametrize("indent", [1, 2, 4])
@pytest.mark.parametrize("prefix", ["", "csms-1  | ", "Jan 01 12:00:00 pi csms[12]: "])
def test_a_pretty_printed_frame_comes_back_with_its_line_breaks(tmp_path: Path, indent: int, prefix: str) -> None:
    frame = json.dumps([2, "1", "MeterValues", {"connectorId": 1, "meterValue": [{"sampledValue": []}]}], indent=indent)
    text = f"2026-01-01T12:00:00Z CP1 > {frame}"
    (tmp_path / "a.log").write_text("\n".join(prefix + line for line in text.split("\n")))
    frames, reading, _ = read(tmp_path / "a.log")
    assert [one.raw for one in frames] == [frame] and reading.missed == 0
